"""Names of studies and raters, which become names of files, and numbers that stand for pictures."""

import re
import secrets

import numpy as np

from dataset.errors import InputError

LONGEST = 40
"""Characters of a name."""
PATTERN = r"[a-z0-9](?:[a-z0-9\-]{0,38}[a-z0-9])?"
"""Of names, as a regular expression and as the `pattern` of an input."""
OPAQUE = r"[0-9a-f]{16}"
"""Of what stands for a picture or a question in addresses."""
RESERVED = frozenset(("new",))
"""Addresses that are no study."""


def is_name(text: str) -> bool:
    """Whether a text can name a study or a rater."""
    return re.fullmatch(PATTERN, text) is not None and text not in RESERVED


def name_of(text: str, what: str) -> str:
    """A name as somebody typed it, in lower case.

    Args:
        text: what was typed.
        what: begins the sentence, such as "A study's name".

    Raises:
        InputError: it could not name a file everywhere.
    """
    name = text.strip().lower()
    if name in RESERVED:
        raise InputError(f"{what} cannot be “{name}”; choose another one")
    if not is_name(name):
        shown = f"“{text.strip()[:LONGEST]}”" if text.strip() else "empty"
        raise InputError(
            f"{what} cannot be {shown}; it has letters a to z, digits and hyphens between them, at most {LONGEST} characters"
        )
    return name


def anonymous() -> str:
    """A rater's name that tells nothing of the person and that nobody else has."""
    return f"guest-{secrets.token_hex(3)}"


def opaque(count: int, random: np.random.Generator) -> list[str]:
    """Different numbers of 16 hexadecimal digits that tell nothing of what they stand for."""
    found = dict[str, None]()
    while len(found) < count:
        found[random.bytes(8).hex()] = None
    return list(found)

"""JSON for people: a line a value, lists of plain values in one line."""

import json
import re
from typing import Any

_PLAIN_LIST = re.compile(r"\[[^][{}]*]")


def json_text(value: Any, indent: int = 2) -> str:
    """The value as JSON text that ends without a line break.

    Raises:
        ValueError: a number is infinite or not a number, which JSON cannot say.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return _PLAIN_LIST.sub(_in_one_line, text)


def _in_one_line(found: re.Match[str]) -> str:
    """Brackets inside a text hold no line break and stay as they are."""
    inside = found[0][1:-1]
    return f"[{' '.join(line.strip() for line in inside.strip().splitlines())}]" if "\n" in inside else found[0]

"""The two kinds of study: what is asked, and what can be answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

KindName = Literal["naturalness", "preference"]


@dataclass(frozen=True)
class Choice:
    """An answer that can be given."""

    value: str
    """As it is stored."""
    label: str
    """On its button."""
    key: str
    """The key that the button names."""
    keys: tuple[str, ...]
    """All keys that give it, as browsers call them, in lower case."""
    stacked: str = ""
    """On its button where the two pictures stand one above the other; empty: `label`."""


@dataclass(frozen=True)
class Kind:
    """A kind of study."""

    title: str
    question: str
    """Where the study has none of its own."""
    items: int
    """Of each set, or of each two sets that are compared, as in the papers."""
    pictures: int
    """That a question shows."""
    choices: tuple[Choice, ...]

    @property
    def answers(self) -> tuple[str, ...]:
        """What can be stored."""
        return tuple(choice.value for choice in self.choices)


KINDS: Mapping[KindName, Kind] = {
    "naturalness": Kind("Natural or not", "Do the hands and their pose look natural?", 30, 1, (
        Choice("not_natural", "Not natural", "N", ("n", "1", "arrowleft")),
        Choice("natural", "Natural", "Y", ("y", "2", "arrowright")),
    )),
    "preference": Kind("Better of two", "Which of the two looks more realistic?", 16, 2, (
        Choice("left", "Left", "1", ("1", "arrowleft"), "Upper"),
        Choice("both_good", "Similarly good", "2", ("2", "arrowup")),
        Choice("both_bad", "Similarly bad", "3", ("3", "arrowdown")),
        Choice("right", "Right", "4", ("4", "arrowright"), "Lower"),
    )),
}  # fmt: skip
"""By the name that a study has for it."""

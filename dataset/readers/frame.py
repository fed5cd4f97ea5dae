"""What every reader gives: hands in this project's convention, and what could not be read, named with file and key."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from hands.joints import Side

Found = TypeVar("Found")

UP = (0.0, 0.0, 1.0)
"""The world's vertical here."""


@dataclass(frozen=True, eq=False)
class HandShape:
    """One hand, wherever it is: radians, full finger angles (the mean is added)."""

    hand_pose: Float[np.ndarray, "45"]
    betas: Float[np.ndarray, "10"]


@dataclass(frozen=True, eq=False)
class PlacedHand(HandShape):
    """One hand in a frame that both hands share: radians and metres, `transl` added after posing (MANO's convention)."""

    global_orient: Float[np.ndarray, "3"]
    transl: Float[np.ndarray, "3"]

    @property
    def parameters(self) -> tuple[Float[np.ndarray, "_"], ...]:
        """The four vectors in the order of `HandPose` and of the hand layer."""
        return self.global_orient, self.hand_pose, self.betas, self.transl


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a recording, with the hands that its file has."""

    name: str
    file: str
    """Where it was read, relative to the source's folder."""
    hands: dict[Side, PlacedHand]
    interacting: bool | None = None
    """What the format says of it; None where it says nothing."""
    up: tuple[float, float, float] = UP
    """The vertical in the frame that the hands are given in."""
    person: str = ""
    """Frames of one person have one hand shape; empty: unknown."""
    split: str = ""
    """train, validation or test, where the data set was published with splits; empty: it was not."""


@dataclass(frozen=True, eq=False)
class SingleHand:
    """One hand of a data set that shows one hand at a time."""

    name: str
    side: Side
    hand: HandShape


@dataclass(frozen=True)
class Fault:
    """Something that cannot be used, and where it is."""

    name: str
    """Pose that is lost; the file's name where the whole file is concerned."""
    file: str
    """Relative to the source's folder."""
    key: str
    """Path of keys in the file, joined by dots; empty for the whole file."""
    reason: str
    """The rule that it breaks, one of a few, so that faults can be counted."""
    value: float = 0.0
    """What was found, in the rule's unit."""
    limit: float = 0.0
    """What the rule allows."""

    @property
    def place(self) -> str:
        """File and key in one."""
        return f"{self.file}: {self.key}" if self.key else self.file


class Refusal(Exception):
    """A value that breaks a rule; the reader that meets it knows the file and makes a `Fault` of it."""

    def __init__(self, key: str, reason: str, value: float = 0.0, limit: float = 0.0) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason, self.value, self.limit = key, reason, float(value), float(limit)

    def fault(self, name: str, file: str) -> Fault:
        """The same with the place where it happened."""
        return Fault(name, file, self.key, self.reason, self.value, self.limit)


def attempt(name: str, file: str, make: Callable[[], Found]) -> Found | Fault:
    """What `make` gives, or the fault that it met."""
    try:
        return make()
    except Refusal as refusal:
        return refusal.fault(name, file)

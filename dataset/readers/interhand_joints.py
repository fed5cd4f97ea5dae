"""InterHand2.6M's annotated joints: millimetres, in an order of their own."""

import numpy as np
from jaxtyping import Bool, Float

from dataset.readers.checks import HAND_MM, entry, numbers
from dataset.readers.frame import Refusal
from hands.joints import FINGERS, JOINTS_21

HAND_ORDER = (*(f"{finger}_{part}" for finger in FINGERS for part in ("tip", "3", "2", "1")), "wrist")
"""Joints of one hand there: each finger from its tip, the wrist last; the right hand's 21, then the left one's."""
TO_JOINTS_21 = tuple(HAND_ORDER.index(name) for name in JOINTS_21)
"""`JOINTS_21[i]` is entry `TO_JOINTS_21[i]` of a hand there."""


def joints_21(world: object, valid: object, where: str) -> tuple[Float[np.ndarray, "2 21 3"], Bool[np.ndarray, "2 21"]]:
    """Annotated joints (right, left) in this project's order, metres, and which of them are known.

    A hand without its wrist is wholly unknown, as in the data set's own loader.
    """
    joints = numbers(world, f"{where}.world_coord", 2, 21, 3)[:, TO_JOINTS_21] / 1000
    known = numbers(valid, f"{where}.joint_valid", 2, 21)[:, TO_JOINTS_21] > 0
    return joints, known & known[:, :1]


def checked_hand_type(values: dict, where: str) -> str:
    """The frame's `hand_type`, once its joints have been found to be in millimetres."""
    joints, known = joints_21(entry(values, "world_coord", where), entry(values, "joint_valid", where), where)
    knuckle = JOINTS_21.index("middle_1")
    for hand, seen in zip(joints, known, strict=True):
        size = 1000 * float(np.linalg.norm(hand[knuckle] - hand[0]))
        if seen[knuckle] and not HAND_MM[0] <= size <= HAND_MM[1]:
            raise Refusal(f"{where}.world_coord", "wrong unit", size, HAND_MM[size > HAND_MM[1]])
    return str(entry(values, "hand_type", where))

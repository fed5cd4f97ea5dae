"""The joints of a hand: every order in use, and what can be said of a joint in an image.

MANO stores 16 joints (wrist, then index, middle, pinky, ring, thumb); datasets use 21 (wrist, then thumb, index, middle,
ring, pinky, each with its fingertip). The fingertips are vertices of the surface.
"""

from enum import IntEnum, StrEnum

import torch
from jaxtyping import Float
from torch import Tensor


class Side(StrEnum):
    """Which hand. The value is the name of its columns and files."""

    RIGHT = "right"
    LEFT = "left"

    @property
    def other(self) -> "Side":
        """The opposite hand."""
        return Side.LEFT if self is Side.RIGHT else Side.RIGHT


class JointState(IntEnum):
    """Why a joint can or cannot be seen; stored in `joint_state`."""

    VISIBLE = 0
    HIDDEN_BY_SAME_HAND = 1
    HIDDEN_BY_OTHER_HAND = 2
    OUTSIDE_IMAGE = 3


FINGERS = ("thumb", "index", "middle", "ring", "pinky")

MANO_JOINTS = (
    "wrist",
    *(f"{finger}_{segment}" for finger in ("index", "middle", "pinky", "ring", "thumb") for segment in (1, 2, 3)),
)
"""The 16 joints in MANO's order; also the order of the 16 parts (part `i` moves with joint `i`)."""

MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)

JOINTS_21 = ("wrist", *(f"{finger}_{part}" for finger in FINGERS for part in ("1", "2", "3", "tip")))
"""The dataset's joint order, the same for both hands."""

FINGER_JOINTS = {finger: tuple(MANO_JOINTS.index(f"{finger}_{segment}") for segment in (1, 2, 3)) for finger in FINGERS}
"""Finger name to its (root, middle, end) joint indices in MANO's order."""

TIP_VERTICES = (745, 317, 445, 556, 673)
"""Fingertip vertex ids, thumb to pinky: the choice of InterHand2.6M's joint regressor. The free hand keeps these ids."""

BONES_21 = tuple(
    bone
    for f in range(5)
    for bone in ((0, 4 * f + 1), (4 * f + 1, 4 * f + 2), (4 * f + 2, 4 * f + 3), (4 * f + 3, 4 * f + 4))
)
"""Pairs of indices into `JOINTS_21` to draw as lines."""

_WITH_TIPS = MANO_JOINTS + tuple(f"{finger}_tip" for finger in FINGERS)
FROM_MANO_WITH_TIPS = tuple(_WITH_TIPS.index(name) for name in JOINTS_21)
"""`JOINTS_21[i]` is entry `FROM_MANO_WITH_TIPS[i]` of (16 MANO joints, 5 fingertips)."""


def joints_21(
    joints: Float[Tensor, "*b 16 3"], vertices: Float[Tensor, "*b v 3"], tips: tuple[int, ...] = TIP_VERTICES
) -> Float[Tensor, "*b 21 3"]:
    """The 21 joints of the dataset from MANO's 16 and the fingertip vertices (any unit, any frame)."""
    stacked = torch.cat([joints, vertices[..., list(tips), :]], dim=-2)
    return stacked[..., list(FROM_MANO_WITH_TIPS), :]

"""Hand shapes that everybody knows and that no gesture file has, and some that nobody makes; degrees."""

import torch
from torch import Tensor

from hands.gestures import GestureHand, gesture_angles
from hands.joints import FINGERS

Fingers = tuple[tuple[int, int, int, int], ...]
"""Thumb to little finger: root bend, root splay, middle bend, end bend."""

_CURLED, _STRAIGHT, _THUMB_IN = (68, 0, 95, 55), (0, 0, 0, 0), (25, 0, 30, 40)

NATURAL: dict[str, Fingers] = {
    "flat": ((0, 0, 0, 0), *[_STRAIGHT] * 4),
    "relaxed": ((10, 0, 10, 15), (20, 0, 25, 15), (23, 0, 28, 16), (26, 0, 32, 17), (28, 2, 34, 18)),
    "fist": (_THUMB_IN, *[_CURLED] * 4),
    "loose fist": ((20, 0, 20, 25), (50, 0, 65, 40), (52, 0, 68, 40), (54, 0, 68, 40), (54, 0, 66, 40)),
    "pointing": (_THUMB_IN, _STRAIGHT, *[_CURLED] * 3),
    "thumb up": ((-10, -15, 0, -5), *[_CURLED] * 4),
    "pinch": ((25, 0, 15, 25), (45, 0, 45, 30), (45, 0, 50, 30), (45, 0, 50, 30), (45, 0, 50, 30)),
    "cup": ((20, -5, 10, 15), (40, -4, 30, 15), (40, 0, 30, 15), (40, 4, 30, 15), (40, 8, 30, 15)),
}
UNNATURAL: dict[str, Fingers] = {
    "fingers in turns": (
        (-20, 30, 50, -10),
        (70, -25, -4, 90),
        (-25, 15, 100, -8),
        (70, -25, -10, 90),
        (-22, 30, 90, -8),
    ),
    "only the ring finger": ((-20, -20, 0, 0), (-20, 0, 0, 0), (-20, 0, 0, 0), (70, 0, 100, 90), (-20, 0, 0, 0)),
    "only the tips": ((0, 0, 0, 0), *[(0, 0, 0, 85)] * 4),
    "a saw": ((20, 0, 0, 90), (-25, 0, 60, -8), (70, 0, 0, 80), (-25, 0, 60, -8), (60, 0, 0, 80)),
}


def angles(shapes: dict[str, Fingers]) -> Tensor:
    """All of them as a batch, float64."""
    hands = [
        GestureHand((0, 0, 0), (0, 0, 1), (0, 1, 0), dict(zip(FINGERS, fingers, strict=True)))
        for fingers in shapes.values()
    ]
    return torch.stack([gesture_angles(hand, torch.float64) for hand in hands])

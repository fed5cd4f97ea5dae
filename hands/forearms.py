"""Forearms of many hands at once: what `hands.forearm.Forearm.surface` adds to one, for whole batches.

Each hand's numbers depend on that hand alone, whatever else is in the batch.
"""

import numpy as np
from jaxtyping import Float

from hands.forearm import BENDING, POLE, RIM, RINGS, WRIST_ENDS, Forearm

_ARC = 16
"""Steps in which the bent part of a forearm's centre line is followed."""


def forearm_points(
    forearm: Forearm, hands: Float[np.ndarray, "b 3 v"], bends: Float[np.ndarray, "b 2"]
) -> Float[np.ndarray, "b 3 k"]:
    """The vertices beyond the hand's own, ring by ring and then the pole, metres.

    Args:
        forearm: of the hands' model.
        hands: posed model vertices, metres.
        bends: flexion and deviation of each wrist, radians.
    """
    left, _, right = np.linalg.svd(np.matmul(hands, forearm.axes.T).transpose(0, 2, 1))
    frame = np.matmul(left, right)
    rim = hands[:, :, forearm.rim]
    centre = rim.mean(2, keepdims=True)
    rim = np.matmul(frame, rim - centre)
    scale = np.ptp(rim[:, 2], axis=1) / 2 / RIM
    stations = np.append(RINGS[:, 0], POLE)
    turns, line = _bent(stations, bends, scale)
    rings = np.matmul(turns[:, :-1], _outlines(rim)) + line[:, :-1, :, None]
    points = np.concatenate([rings.transpose(0, 2, 1, 3).reshape(len(hands), 3, -1), line[:, -1, :, None]], axis=2)
    return np.matmul(frame.transpose(0, 2, 1), points) + centre


def _outlines(rim: Float[np.ndarray, "b 3 r"]) -> Float[np.ndarray, "b k 3 r"]:
    """Straight rings around the origin in the wrist's frame: the rim's outline near it, ellipses farther on."""
    stations, width, thickness = (RINGS[:, column, None] for column in range(3))
    share = np.minimum(stations / WRIST_ENDS, 1.0)
    share = share * share * (3 - 2 * share)
    flat = rim[:, 1:]
    half = np.ptp(flat, axis=2)[..., None] / 2
    angle = np.arctan2(flat[:, 1] / half[:, 1], flat[:, 0] / half[:, 0])
    ellipse = half * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    sides = [flat[:, None, k] + share * (ellipse - flat)[:, None, k] for k in range(2)]
    return np.stack([rim[:, None, 0] * (1 - share), sides[0] * thickness, sides[1] * width], axis=2)


def _bent(
    stations: Float[np.ndarray, "k"], bends: Float[np.ndarray, "b 2"], scale: Float[np.ndarray, "b"]
) -> tuple[Float[np.ndarray, "b k 3 3"], Float[np.ndarray, "b k 3"]]:
    """How cross-sections at the stations are turned, and the forearm's centre line there: an arc, then straight."""
    angle = np.hypot(bends[:, 0], bends[:, 1])
    y, z = bends[:, 1] / np.maximum(angle, 1e-9), bends[:, 0] / np.maximum(angle, 1e-9)
    bent, which = np.unique(np.minimum(stations, BENDING), return_inverse=True)
    steps = (np.arange(_ARC) + 0.5) / _ARC * bent[:, None]
    turns = _turns(y, z, angle[:, None] * bent / BENDING)
    arc = _turns(y, z, angle[:, None, None] * steps / BENDING)[..., 0].sum(2) * (bent / _ARC)[:, None]
    line = arc[:, which] + (stations - np.minimum(stations, BENDING))[:, None] * turns[:, which][..., 0]
    return turns[:, which], line * scale[:, None, None]


def _turns(
    y: Float[np.ndarray, "b"], z: Float[np.ndarray, "b"], angle: Float[np.ndarray, "b *k"]
) -> Float[np.ndarray, "b *k 3 3"]:
    """Rotations by angles about the axis (0, y, z) of each hand (Rodrigues)."""
    y, z = (value.reshape(-1, *[1] * (angle.ndim - 1)) for value in (y, z))
    sine, rest = np.sin(angle), 1 - np.cos(angle)
    turns = np.empty((*angle.shape, 3, 3))
    turns[..., 0, 0] = 1 - rest * (y * y + z * z)
    turns[..., 0, 1], turns[..., 1, 0] = -sine * z, sine * z
    turns[..., 0, 2], turns[..., 2, 0] = sine * y, -sine * y
    turns[..., 1, 1], turns[..., 2, 2] = 1 - rest * z * z, 1 - rest * y * y
    turns[..., 1, 2] = turns[..., 2, 1] = rest * y * z
    return turns

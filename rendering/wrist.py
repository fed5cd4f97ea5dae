"""Closes the open wrist of a MANO hand with a short rounded stump that follows the hand by one fixed linear map."""

import numpy as np
from jaxtyping import Float, Int

from hands.joints import FINGER_JOINTS
from hands.mesh import wrist_loop
from hands.model import HandArrays

RINGS = (
    # metres along the forearm from the wrist's rim, size relative to the rim, share of the rim's slant kept
    (0.009, 1.00, 0.78),
    (0.018, 1.01, 0.50),
    (0.027, 0.99, 0.25),
    (0.035, 0.92, 0.08),
    (0.0415, 0.77, 0.0),
    (0.0455, 0.52, 0.0),
)
POLE = 0.0472


def close_wrist(arrays: HandArrays) -> tuple[Float[np.ndarray, "w v"], Int[np.ndarray, "c 3"]]:
    """Matrix from the hand's vertices to those of the closed surface, and its faces.

    The hand's own vertices and faces come first, unchanged. Rows sum to 1 and the forearm's direction is a combination
    of vertices that only the wrist moves, so the stump turns and moves with the wrist in every pose.
    """
    rim = wrist_loop(arrays.faces)
    count = len(arrays.v_template)
    centre = np.zeros(count)
    centre[rim] = 1 / len(rim)
    direction = forearm_direction(arrays)
    along = _direction_weights(arrays, direction)
    slant = (arrays.v_template[rim] - centre @ arrays.v_template) @ direction
    rows = [np.eye(count)]
    for height, size, kept in RINGS:
        spokes = np.eye(count)[rim] - centre
        flat = spokes - slant[:, None] * along
        rows.append(centre + size * flat + (height + kept * slant)[:, None] * along)
    rows.append((centre + POLE * along)[None])
    return np.concatenate(rows), np.concatenate([arrays.faces, _stump_faces(rim, count)])


def forearm_direction(arrays: HandArrays) -> Float[np.ndarray, "3"]:
    """Unit vector of the rest hand from the knuckles to the wrist."""
    joints = arrays.J_regressor @ arrays.v_template
    knuckles = joints[[FINGER_JOINTS["middle"][0], FINGER_JOINTS["ring"][0]]].mean(axis=0)
    direction = joints[0] - knuckles
    return direction / np.linalg.norm(direction)


def _direction_weights(arrays: HandArrays, direction: Float[np.ndarray, "3"]) -> Float[np.ndarray, "v"]:
    """Smallest weights with sum 0 whose combination of wrist-bound rest vertices is `direction`."""
    bound = np.flatnonzero(arrays.weights[:, 0] > 0.98)
    system = np.concatenate([arrays.v_template[bound].T, np.ones((1, len(bound)))])
    weights = np.zeros(len(arrays.v_template))
    weights[bound] = np.linalg.lstsq(system, np.append(direction, 0.0), rcond=None)[0]
    return weights


def _stump_faces(rim: Int[np.ndarray, "r"], count: int) -> Int[np.ndarray, "s 3"]:
    size = len(rim)
    rings = np.concatenate([rim[None], count + np.arange(len(RINGS) * size).reshape(-1, size)])
    after = np.roll(rings, -1, axis=1)
    first = np.stack([after[:-1], rings[:-1], rings[1:]], axis=-1)
    second = np.stack([after[:-1], rings[1:], after[1:]], axis=-1)
    pole = np.full(size, count + len(RINGS) * size)
    cap = np.stack([after[-1], rings[-1], pole], axis=-1)
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3), cap])

"""Where each point of the hand lies on the pictures of `rendering.skin.patterns`: flat charts of a round thing.

Positions are (distal, palmar, radial) metres from the wrist. Around fingers, palm and forearm a chart goes from the
thumb's side to the little finger's over the back, and the same way over the palm, which is its mirror image: so it has
neither seams nor stretched places, and its mirror lines lie at the sides where nobody sees them.
"""

import numpy as np
from jaxtyping import Float, Int

from hands.joints import FINGER_JOINTS, FINGERS
from rendering.skin.patterns import CANONICAL, JOINT_SIZE, TILE, joint_place, palm_place

BODY = (0.048, 0.018)
"""Half axes in metres (radial, palmar) of the ellipse that stands for the sections of palm and forearm."""
JOINTS = (("root", 0.0, 0.8), ("middle", 1.0, 1.0), ("end", 0.6, 0.8))
"""Depth of folds on the back and of creases on the palm side, by joint."""
STRETCH = {"root": 1.0, "middle": 1.0, "end": 1.35}
"""A small joint shows the same folds on less length."""


def detail_chart(local, joints, tips, segments, weights) -> Float[np.ndarray, "n 2"]:
    """Tiles towards the fingertips and towards the little finger; fingers continue the palm's chart."""
    chart = np.stack([local[:, 0], _around(local[:, 2], local[:, 1] - 0.004, *BODY)], axis=1)
    result, used = np.zeros_like(chart), np.zeros(len(local))
    for finger, tip in zip(FINGERS, tips, strict=True):
        root = joints[FINGER_JOINTS[finger][0]]
        share = weights[:, list(FINGER_JOINTS[finger])].sum(1)
        along, around = finger_chart(local, root, tip, segments[FINGER_JOINTS[finger][0]], share)
        start = _around(root[2:], np.array([-0.016]), *BODY)[0]
        result += share[:, None] * np.stack([root[0] + along, start + around], axis=1)
        used += share
    return (result + (1 - used)[:, None] * chart) / TILE


def finger_chart(local, root, tip, axes, share) -> tuple[np.ndarray, np.ndarray]:
    """Metres along a finger from its root and around it from the middle of its back."""
    along = (tip - root) / np.linalg.norm(tip - root)
    across = axes[2] - along * (axes[2] @ along)
    across /= np.linalg.norm(across) * (1 if across[2] > 0 else -1)
    palmar = axes[1] - along * (axes[1] @ along)
    offset = local - root
    own = share > 0.9
    centre = np.median((offset @ palmar)[own])
    radius = float(np.quantile(np.abs(offset @ across)[own], 0.8))
    around = radius * np.arccos(
        (offset @ across / np.hypot(offset @ across, offset @ palmar - centre).clip(1e-9)).clip(-1, 1)
    )
    return offset @ along, around - radius * np.pi / 2


def line_map(
    local, joints, segments, weights, facing, faces: Int[np.ndarray, "m 3"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 3"]]:
    """Place on the picture of lines, and how deep it is drawn: on the back, on the palm side, veins and tendons."""
    place, depth = _palm_lines(local, joints, weights, facing)
    region = np.zeros(len(local), dtype=int)
    for number, finger in enumerate(FINGERS):
        share = weights[:, list(FINGER_JOINTS[finger])].sum(1)
        own = np.flatnonzero(share > 0.5)
        at, strength, nearest = _finger_lines(local[own], joints, segments, facing[own], share[own], finger)
        place[own], depth[own], region[own] = joint_place(at), strength, 10 * number + nearest + 1
    across = (region[faces] != region[faces[:, :1]]).any(axis=1)
    depth[np.unique(faces[across])] = 0  # such a face spans the whole picture
    return place, depth


def _palm_lines(local, joints, weights, facing) -> tuple[np.ndarray, np.ndarray]:
    index, pinky = (joints[FINGER_JOINTS[f][0], ::2] for f in ("index", "pinky"))
    to_canonical = np.linalg.solve(np.stack([index, pinky]), CANONICAL[1:])
    reach = local[:, ::2] @ to_canonical
    thumb = weights[:, list(FINGER_JOINTS["thumb"][1:])].sum(1)
    region = _step(reach[:, 0], -0.044, -0.030) * (1 - thumb)
    back, palm = (
        region * _step(-facing, 0.0, 0.5),
        region * _step(facing, -0.3, 0.3) * _step(reach[:, 0], -0.016, -0.006),
    )
    return palm_place(reach), np.stack([back, palm, back], axis=1)


def _finger_lines(local, joints, segments, facing, share, finger) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ids = FINGER_JOINTS[finger]
    base = 0.0 if finger == "thumb" else 0.5 * np.linalg.norm(joints[ids[1]] - joints[ids[0]])
    shifts = (base, 0.0, 0.0)
    along = np.stack([(local - joints[j]) @ segments[j][0] - s for j, s in zip(ids, shifts, strict=True)], axis=1)
    nearest = np.abs(along).argmin(axis=1)
    stretch = np.array([STRETCH[name] for name, _, _ in JOINTS])[nearest]
    t = np.take_along_axis(along, nearest[:, None], 1)[:, 0] * stretch
    around = np.zeros(len(local))
    for k, joint in enumerate(ids):
        mine = nearest == k
        _, middle = finger_chart(local, joints[joint], joints[joint] + segments[joint][0], segments[joint], share)
        around[mine] = middle[mine]
    strength = np.array([values for _, *values in JOINTS])[nearest]
    if finger == "thumb":
        strength = strength * [0.6, 1.0]
    fade = _step(JOINT_SIZE[0] / 2 - np.abs(t), 0.0005, 0.004)
    back, palm = strength[:, 0] * fade * _step(-facing, 0.0, 0.5), strength[:, 1] * fade * _step(facing, -0.5, 0.1)
    return np.stack([t, around], axis=1), np.stack([back, palm, np.zeros(len(local))], axis=1), nearest


def _around(radial, palmar, wide: float, thick: float) -> Float[np.ndarray, "n"]:
    """Metres around an ellipse from its thumb's side."""
    angle = np.linspace(0, np.pi, 200)
    step = np.hypot(wide * np.sin(angle), thick * np.cos(angle)) * (angle[1] - angle[0])
    length = np.cumsum(step) - step[0]
    return np.interp(np.arctan2(np.abs(palmar) / thick, radial / wide), angle, length)


def _step(x, low: float, high: float) -> np.ndarray:
    t = ((x - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)

"""Where on a hand its skin is what: nails, palm and back, folds at the joints, lines of the palm.

Everything follows from the rest surface and the joints, so any hand in MANO's layout gets it, and both
hands get the same.
Values are per vertex and smooth (distances rather than masks): the shader draws thin lines from them at any resolution.
"""

import numpy as np
from jaxtyping import Float, Int

from hands.anatomy import joint_frames, palm_frame
from hands.joints import FINGER_JOINTS, FINGERS, Side
from hands.model import HandArrays, HandModel
from hands.random_streams import stream

NAIL_BEYOND_JOINT = 0.42
"""Where the nail begins between the last joint (0) and the fingertip (1)."""
FOLD_REACH = 0.008
"""Half width in metres of the creased region at a finger joint."""


def skin_map(
    arrays: HandArrays,
    rest: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "m 3"],
    weights: Float[np.ndarray, "n 16"],
) -> dict[str, Float[np.ndarray, "n 3"]]:
    """Shader attributes of the fine rest surface.

    rest: metres along (distal, palmar, radial) from the wrist, equal for both hands
    tone: palm side 0–1, flush (fingertips, knuckles) 0–1, freckles 0–1
    pattern: three random fields around 0 that vary over 20 mm, 9 mm and 4 mm
    vein: distance-like value that is 0 along veins, their strength 0–1, 0
    fold: metres along the finger from its nearest crease, strength of the crease on the back, on the palm side
    line: metres to the three long lines of the palm
    nail: metres inside the nail's outline (negative outside), position along the nail 0–1, across -1–1
    """
    model = HandModel(arrays)
    palm = palm_frame(model)
    joints = model.joint_template.numpy().astype(float)
    axes = np.stack([palm.distal.numpy(), palm.palmar.numpy(), palm.radial.numpy()]).astype(float)
    local, joints_local = (rest - joints[0]) @ axes.T, (joints - joints[0]) @ axes.T
    segments = _segment_axes(model, axes)
    normals = vertex_normals(rest, faces) @ axes.T
    palmar = weights @ segments[:, 1]
    palmar /= np.linalg.norm(palmar, axis=1, keepdims=True)
    facing = (normals * palmar).sum(1)
    tips = (rest[list(arrays.tips)] - joints[0]) @ axes.T
    palm_side = _smooth_step(facing, -0.25, 0.45) * _smooth_step(local[:, 0], -0.004, 0.018)  # the forearm has no palm
    values = {
        "rest": local,
        "tone": np.stack([palm_side, _flush(local, joints_local, tips, facing), _freckles(local)], 1),
        "pattern": np.stack([waves(local, length, f"pattern {length}") for length in (0.020, 0.009, 0.004)], 1),
        "vein": _veins(local, joints_local, facing),
        "fold": _folds(local, joints_local, segments, weights, facing),
        "line": _palm_lines(local, joints_local),
        "nail": _nails(local, joints_local, tips, segments, weights, facing),
    }
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in values.items()}


def vertex_normals(vertices: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "m 3"]) -> Float[np.ndarray, "n 3"]:
    """Unit outward normals, each the area-weighted mean of the faces around."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros(vertices.shape)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, corner], across[:, axis], minlength=len(vertices))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-20)


def _segment_axes(model: HandModel, axes: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "16 3 3"]:
    """(along, palmar, across) of each of the 16 parts in palm coordinates."""
    frames = joint_frames(model).numpy().astype(float).transpose(0, 2, 1)  # rows: twist, splay, bend
    if model.side is Side.LEFT:
        frames = -frames  # a left hand bends about mirrored axes
    return np.concatenate([np.eye(3)[None], frames @ axes.T])


def _smooth_step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = ((x - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def _finger_weight(weights: Float[np.ndarray, "n 16"], finger: str) -> Float[np.ndarray, "n"]:
    return weights[:, list(FINGER_JOINTS[finger])].sum(1)


def _nails(local, joints, tips, segments, weights, facing) -> Float[np.ndarray, "n 3"]:
    """A rounded rectangle on the back of each end segment."""
    result = np.tile([-0.02, 0.0, 0.0], (len(local), 1))
    for finger, tip in zip(FINGERS, tips, strict=True):
        end = FINGER_JOINTS[finger][2]
        along, _, across = segments[end]
        offset = local - joints[end]
        length = (tip - joints[end]) @ along
        t, s = offset @ along, offset @ across
        own = (_finger_weight(weights, finger) > 0.5) & (t > 0)
        middle = (t[own].max() + NAIL_BEYOND_JOINT * length) / 2
        width = np.quantile(np.abs(s[own & (t > 0.4 * length)] - np.median(s[own])), 0.97)
        half = np.array([t[own].max() - 0.0012 - middle, 0.74 * width])
        radius = 0.75 * half.min()
        outside = np.abs(np.stack([t - middle, s - np.median(s[own])], 1)) - (half - radius)
        distance = radius - np.linalg.norm(outside.clip(0), axis=1) - outside.max(1).clip(None, 0)
        inside = np.minimum(distance, 0.004 * (-facing - 0.1))
        mine = own & (t > 0.2 * length)
        values = np.stack([inside, (t - middle) / (2 * half[0]) + 0.5, (s - np.median(s[own])) / half[1]], 1)
        result[mine] = values[mine]
    return result


def _folds(local, joints, segments, weights, facing) -> Float[np.ndarray, "n 3"]:
    result = np.zeros((len(local), 3))
    for finger in FINGERS:
        root, middle, end = FINGER_JOINTS[finger]
        own = np.flatnonzero(_finger_weight(weights, finger) > 0.5)
        length = np.linalg.norm(joints[middle] - joints[root])
        base = 0.0 if finger == "thumb" else 0.5 * length
        back = 0.45 if finger == "thumb" else 1.0
        creases = ((root, base, 0.0, 0.8), (middle, 0.0, back, 1.0), (end, 0.0, 0.55, 0.7))
        distance = np.stack([(local[own] - joints[j]) @ segments[j][0] - shift for j, shift, _, _ in creases], 1)
        nearest = np.abs(distance).argmin(1)
        t = np.take_along_axis(distance, nearest[:, None], 1)[:, 0]
        strength = np.array([crease[2:] for crease in creases])[nearest]
        fade = _smooth_step(FOLD_REACH - np.abs(t), 0, 0.5 * FOLD_REACH)
        result[own, 0] = t
        result[own, 1] = strength[:, 0] * fade * _smooth_step(-facing[own], 0.0, 0.6)
        result[own, 2] = strength[:, 1] * fade * _smooth_step(facing[own], -0.5, 0.1)
    return result


def _palm_lines(local, joints) -> Float[np.ndarray, "n 3"]:
    """Signed distance to the heart, head and life lines: arcs in the palm's plane, placed between the joints."""
    fingers = ("index", "middle", "ring", "pinky", "thumb")
    index, middle, ring, pinky, thumb = (joints[FINGER_JOINTS[finger][0], ::2] for finger in fingers)
    wrist, mm = joints[0, ::2], lambda distal, radial: np.array([distal, radial]) / 1000
    mix = lambda a, b, share: a + share * (b - a)  # noqa: E731
    heart = (mix(pinky, wrist, 0.25) + mm(0, -12), mix(ring, wrist, 0.17), middle + mm(-3, 6))
    head = (mix(pinky, wrist, 0.5) + mm(0, -4), mix(middle, wrist, 0.38), mix(index, wrist, 0.22) + mm(0, 14))
    life = (wrist + mm(12, 4), mix(wrist, middle, 0.5) + mm(0, 3), mix(index, thumb, 0.25) + mm(0, 6))
    lines = [_distance_to_arc(local[:, ::2], *points) for points in (heart, head, life)]
    off_palm = (local[:, 1] < 0.0) | (local[:, 0] > joints[FINGER_JOINTS["middle"][0], 0] + 0.006)
    return np.where(off_palm[:, None], 0.05, np.stack(lines, axis=1))


def _distance_to_arc(points, first, middle, last) -> Float[np.ndarray, "n"]:
    """Distance to the circle through three points, growing beyond its two ends (metres)."""
    system = 2 * np.stack([middle - first, last - first])
    centre = np.linalg.solve(system, np.array([middle @ middle - first @ first, last @ last - first @ first]))
    distance = np.linalg.norm(points - centre, axis=1) - np.linalg.norm(first - centre)
    chord = (last - first) / np.linalg.norm(last - first)
    position = (points - first) @ chord
    beyond = np.maximum(-position, position - np.linalg.norm(last - first)).clip(0)
    return distance + 3 * beyond * np.where(distance < 0, -1, 1)


def _flush(local, joints, tips, facing) -> Float[np.ndarray, "n"]:
    """Where blood shows: fingertips, knuckles from behind, the heels of the palm."""
    knuckles = [FINGER_JOINTS[f][k] for f in FINGERS for k in (0, 1, 2)]
    near = lambda centres, size: np.exp(  # noqa: E731
        -((np.linalg.norm(local[:, None] - centres, axis=2) / size) ** 2).min(1)
    )
    back = _smooth_step(-facing, -0.2, 0.5)
    return np.clip(near(tips, 0.013) + 0.7 * back * near(joints[knuckles], 0.012), 0, 1)


def _freckles(local) -> Float[np.ndarray, "n"]:
    return _smooth_step(waves(local, 0.005, "freckles"), 1.2, 2.4)


def _veins(local, joints, facing) -> Float[np.ndarray, "n 3"]:
    """Branching lines on the back of the hand: where a random field, stretched towards the fingers, is zero."""
    knuckles = joints[FINGER_JOINTS["middle"][0], 0]
    region = _smooth_step(knuckles + 0.012 - local[:, 0], 0, 0.03) * _smooth_step(local[:, 0], -0.06, -0.01)
    strength = region * _smooth_step(-facing, 0.1, 0.6) * _smooth_step(waves(local, 0.03, "vein strength"), -0.6, 0.5)
    ridge = waves(local * [0.4, 0.0, 1.0], 0.024, "veins") + 0.25 * waves(local, 0.012, "vein bends")
    return np.stack([ridge, strength, np.zeros(len(local))], axis=1)


def waves(position: Float[np.ndarray, "n 3"], length: float, name: str) -> Float[np.ndarray, "n"]:
    """A smooth random field of mean 0 and variance 1 that varies over `length` metres; the same for the same name."""
    generator = stream(0, "skin", name)
    directions = generator.normal(size=(40, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    wavenumbers = 2 * np.pi / length * generator.uniform(0.4, 1.6, (40, 1))
    phases = generator.uniform(0, 2 * np.pi, 40)
    return np.cos(position @ (directions * wavenumbers).T + phases).sum(axis=1) / np.sqrt(20)

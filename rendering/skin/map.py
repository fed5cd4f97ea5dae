"""Where on a hand its skin is what: nails, palm and back, folds at the joints, lines of the palm.

Everything follows from the rest surface and the joints, so any hand in MANO's layout gets it, and both
hands get the same.
Values are per vertex and smooth (distances rather than masks): the shader draws thin lines from them at any resolution.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from hands.anatomy import joint_frames, palm_frame
from hands.joints import FINGER_JOINTS, FINGERS, Side
from hands.model import HandArrays, HandModel
from hands.random_streams import stream
from rendering.skin.charts import detail_chart, line_map
from rendering.skin.textures import corner_coordinates, own_faces, texture_share

NAIL_BEYOND_JOINT = 0.42
"""Where the nail begins between the last joint (0) and the fingertip (1)."""


def skin_map(
    arrays: HandArrays,
    rest: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "m 3"],
    weights: Float[np.ndarray, "n 16"],
) -> dict[str, Float[np.ndarray, "_ 3"]]:
    """Shader attributes of the fine rest surface.

    tone: palm side 0–1, flush (fingertips, knuckles) 0–1, where hair grows 0–1
    pattern: random fields around 0 that vary over 20 mm, 9 mm and 5 mm
    chart: place on the repeating picture of `rendering.skin.patterns` in tiles (towards the fingertips, towards the little
        finger), veins of the forearm 0–1
    lines: place on its picture of lines, 0–1; how much of a user's texture is seen, 1 on the hand and 0 on the forearm
    depth: strength of that picture's lines on the back, on the palm side, of its veins and tendons
    uv: texture coordinates and 0 of each face's three corners, not of vertices; absent when the hand has none
    nail: metres that the back of an end segment faces outwards (negative elsewhere), position along the nail -1–1, across
    """
    local, joints, tips, segments, facing = _place(arrays, rest, faces, weights)
    palm_side = _smooth_step(facing, -0.25, 0.45) * _smooth_step(local[:, 0], -0.004, 0.018)  # the forearm has no palm
    place, depth = line_map(local, joints, segments, weights, facing, faces)
    chart = detail_chart(local, joints, tips, segments, weights)
    shown = texture_share(rest, *_hand_and_rim(arrays, faces, len(rest)))
    values = {
        "tone": np.stack(
            [palm_side, _flush(local, joints, tips, facing), _hairiness(local, joints, weights, facing)], 1
        ),
        "pattern": np.stack([waves(local, length, f"pattern {length}") for length in (0.020, 0.009, 0.005)], 1),
        "chart": np.concatenate([chart, _forearm_veins(local, facing)[:, None]], axis=1),
        "lines": np.concatenate([place, shown[:, None]], axis=1),
        "depth": depth,
        "nail": _nails(local, joints, tips, segments, weights, facing),
    }
    if arrays.uv is not None:
        values["uv"] = corner_coordinates(arrays, faces)
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in values.items()}


class _Placed(NamedTuple):
    """The rest hand in palm coordinates (distal, palmar, radial), metres from the wrist."""

    local: Float[np.ndarray, "n 3"]
    joints: Float[np.ndarray, "16 3"]
    tips: Float[np.ndarray, "5 3"]
    segments: Float[np.ndarray, "16 3 3"]
    facing: Float[np.ndarray, "n"]
    """-1 on the back, 1 on the palm side."""


def _place(arrays: HandArrays, rest: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> _Placed:
    model = HandModel(arrays)
    palm = palm_frame(model)
    joints = model.joint_template.numpy().astype(float)
    axes = np.stack([palm.distal.numpy(), palm.palmar.numpy(), palm.radial.numpy()]).astype(float)
    segments = _segment_axes(model, axes)
    palmar = weights @ segments[:, 1]
    palmar /= np.linalg.norm(palmar, axis=1, keepdims=True)
    facing = (vertex_normals(rest, faces) @ axes.T * palmar).sum(1)
    local, tips = (rest - joints[0]) @ axes.T, (rest[list(arrays.tips)] - joints[0]) @ axes.T
    return _Placed(local, (joints - joints[0]) @ axes.T, tips, segments, facing)


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
    """Coordinates of the rectangle on the back of each end segment in which the nail lies."""
    result = np.tile([-0.02, 0.0, 0.0], (len(local), 1))
    for finger, tip in zip(FINGERS, tips, strict=True):
        end = FINGER_JOINTS[finger][2]
        along, _, across = segments[end]
        offset = local - joints[end]
        length = (tip - joints[end]) @ along
        t, s = offset @ along, offset @ across
        own = (_finger_weight(weights, finger) > 0.5) & (t > 0)
        middle = (t[own].max() + NAIL_BEYOND_JOINT * length) / 2
        s = s - np.median(s[own])
        width = np.quantile(np.abs(s[own & (t > 0.4 * length)]), 0.97)
        mine = own & (t > 0.2 * length)
        values = [0.004 * (-facing - 0.05), (t - middle) / (t[own].max() - 0.0008 - middle), s / (0.76 * width)]
        result[mine] = np.stack(values, 1)[mine]
    return result


def _flush(local, joints, tips, facing) -> Float[np.ndarray, "n"]:
    """Where blood shows: fingertips, knuckles from behind, the heels of the palm."""
    knuckles = [FINGER_JOINTS[f][k] for f in FINGERS for k in (0, 1, 2)]
    near = lambda centres, size: np.exp(  # noqa: E731
        -((np.linalg.norm(local[:, None] - centres, axis=2) / size) ** 2).min(1)
    )
    back = _smooth_step(-facing, -0.2, 0.5)
    return np.clip(near(tips, 0.013) + 0.7 * back * near(joints[knuckles], 0.012), 0, 1)


def _hand_and_rim(arrays, faces, count: int) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Which vertices are the hand's, and which of these the forearm shares."""
    of_hand, of_forearm = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    of_hand[faces[: own_faces(arrays, faces)]] = True
    of_forearm[faces[own_faces(arrays, faces) :]] = True
    return of_hand, of_hand & of_forearm


def _hairiness(local, joints, weights, facing) -> Float[np.ndarray, "n"]:
    """Back of hand (more towards the little finger), first and a little second finger segments, forearm all around."""
    thumb = _finger_weight(weights, "thumb")
    knuckles = joints[FINGER_JOINTS["middle"][0], 0]
    hand = _smooth_step(-local[:, 2], -0.03, 0.01) * _smooth_step(knuckles - 0.012 - local[:, 0], 0, 0.03)
    segment = np.zeros(len(local))
    for finger in (f for f in FINGERS if f != "thumb"):
        root, middle, _ = FINGER_JOINTS[finger]
        along = joints[middle] - joints[root]
        t = (local - joints[root]) @ along / (along @ along)
        share = _finger_weight(weights, finger) > 0.5
        segment += share * np.exp(-(((t - 0.58) / 0.22) ** 2))
    back = _smooth_step(-facing, 0.0, 0.6)
    forearm = _smooth_step(-local[:, 0], -0.02, 0.03)
    on_hand = back * np.maximum(0.75 * hand * (1 - thumb), 0.8 * segment)
    return on_hand + forearm * (0.35 + 0.65 * _smooth_step(-facing, -0.7, 0.3) - on_hand).clip(0)


def _forearm_veins(local, facing) -> Float[np.ndarray, "n"]:
    """Soft branching lines along the forearm: where a stretched random field is zero. The hand's own are drawn."""
    region = _smooth_step(-local[:, 0], 0.02, 0.05) * _smooth_step(waves(local, 0.03, "vein strength"), -0.6, 0.6)
    ridge = waves(local * [0.3, 0.6, 1.0], 0.030, "veins")
    return region * np.exp(-((ridge / 0.22) ** 2))


def waves(position: Float[np.ndarray, "n 3"], length: float, name: str) -> Float[np.ndarray, "n"]:
    """A smooth random field of mean 0 and variance 1 that varies over `length` metres; the same for the same name."""
    generator = stream(0, "skin", name)
    directions = generator.normal(size=(40, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    wavenumbers = 2 * np.pi / length * generator.uniform(0.4, 1.6, (40, 1))
    phases = generator.uniform(0, 2 * np.pi, 40)
    return np.cos(position @ (directions * wavenumbers).T + phases).sum(axis=1) / np.sqrt(20)

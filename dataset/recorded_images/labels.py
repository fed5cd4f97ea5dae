"""The labels of some images: hands as their cameras see them, and in the square that is cut out of each picture."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dataset.recorded_images.recording import PARAMETERS, Recording
from dataset.training.batch import HandTargets
from hands.joints import JointState, Side
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle


class Squares(NamedTuple):
    """What is cut out of b pictures: whole pixels, which may lie beyond a picture's borders."""

    corner: Int[np.ndarray, "b 2"]
    """Upper left, x and y."""
    side: Int[np.ndarray, "b"]


def squares(boxes: Float[np.ndarray, "b 2 4"], size: Int[np.ndarray, "b 2"], around: float) -> Squares:
    """Squares about the middle of the box around both hands, `around` times as long; boxes of zeros are of no hand."""
    there = (boxes[..., 2:] > 0).all(-1, keepdims=True)
    low = np.where(there, boxes[..., :2], np.inf).min(1)
    high = np.where(there, boxes[..., :2] + boxes[..., 2:], -np.inf).max(1)
    shown = there.any(1)
    low, high = np.where(shown, low, 0), np.where(shown, high, size)
    side = np.ceil(around * (high - low).max(1)).astype(np.int64) + 2  # whole pixels may move the middle by half of one
    return Squares(np.round((low + high - side[:, None]) / 2).astype(np.int64), side)


def camera_tensors(
    recording: Recording, rows: Int[np.ndarray, "b"], cut: Squares, size: int
) -> dict[str, Float[Tensor, "b ..."]]:
    """K, R and t of the squares, resized to `size` × `size`."""
    camera = recording.camera[rows]
    K, scale = recording.K[camera].copy(), (size / cut.side)[:, None]
    K[:, :2, 2] -= cut.corner
    K[:, :2] *= scale[..., None]
    return {name: _float(values) for name, values in (("K", K), ("R", recording.R[camera]), ("t", recording.t[camera]))}


class _Seen(NamedTuple):
    """One hand's joints as the camera of each image sees them."""

    joints: Float[np.ndarray, "b 21 3"]
    """Metres, camera frame."""
    pixels: Float[np.ndarray, "b 21 2"]
    """In the whole picture."""
    outside: Bool[np.ndarray, "b 21"]
    """Which are not in the picture."""


def _seen(recording: Recording, rows: Int[np.ndarray, "b"], number: int) -> _Seen:
    camera = recording.camera[rows]
    world = recording.joints[recording.moment[rows], number].astype(np.float64)
    joints = world @ recording.R[camera].transpose(0, 2, 1) + recording.t[camera][:, None]
    projected = joints @ recording.K[camera].transpose(0, 2, 1)
    pixels = projected[..., :2] / projected[..., 2:]
    outside = ((pixels < 0) | (pixels >= recording.size[camera][:, None])).any(-1) | (joints[..., 2] <= 0)
    return _Seen(joints, pixels, outside)


def hand_targets(recording: Recording, rows: Int[np.ndarray, "b"], side: Side, cut: Squares, size: int) -> HandTargets:
    """One hand in each square. What hides a joint nobody says: it counts as visible inside the picture."""
    number, moment = list(Side).index(side), recording.moment[rows]
    seen, scale = _seen(recording, rows, number), (size / cut.side)[:, None]
    parameters = recording.parameters[moment, number].astype(np.float64)
    orient, hand_pose, betas, transl = np.split(parameters, np.cumsum(PARAMETERS)[:-1], axis=1)
    rest_wrist = recording.joints[moment, number, 0] - transl  # about it a hand turns, whatever it is turned by
    states = np.where(seen.outside, JointState.OUTSIDE_IMAGE, JointState.VISIBLE).astype(np.int8)
    return HandTargets(
        global_orient=_float(_turned(orient, recording.R[recording.camera[rows]])),
        hand_pose=_float(hand_pose),
        betas=_float(betas),
        transl=_float(seen.joints[:, 0] - rest_wrist),
        joints_3d=_float(seen.joints),
        joints_2d=_float((seen.pixels - cut.corner[:, None]) * scale[..., None]),
        joint_state=torch.from_numpy(states),
        bbox=_float(_cut_boxes(recording.boxes[rows, number], cut, scale)),
        visible_fraction=torch.full((len(rows),), torch.nan),
    )


def _cut_boxes(
    boxes: Float[np.ndarray, "b 4"], cut: Squares, scale: Float[np.ndarray, "b 1"]
) -> Float[np.ndarray, "b 4"]:
    moved = np.concatenate([boxes[:, :2] - cut.corner, boxes[:, 2:]], axis=1) * scale
    return np.where((boxes[:, 2:] > 0).all(1, keepdims=True), moved, 0)


def _turned(orient: Float[np.ndarray, "b 3"], R: Float[np.ndarray, "b 3 3"]) -> Float[np.ndarray, "b 3"]:
    return matrix_to_axis_angle(torch.from_numpy(R) @ axis_angle_to_matrix(torch.from_numpy(orient))).numpy()


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))

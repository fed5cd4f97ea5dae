"""Between table rows and the objects of `hands`: cameras, hand parameters, joints."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from hands.camera import Camera
from hands.model import HandModel
from hands.pose import HandPose
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle

PARAMETERS = tuple(field.name for field in fields(HandPose))


def camera_cell(camera: Camera) -> dict[str, Any]:
    """The `camera` column of a row; the size has columns of its own."""
    return {"K": camera.K.ravel(), "R": camera.R.ravel(), "t": camera.t}


def camera_of(row: Mapping[str, Any]) -> Camera:
    """The camera of a row of `plan` or `images`."""
    K, R, t = (np.asarray(row["camera"][name], dtype=np.float64) for name in ("K", "R", "t"))
    return Camera(K.reshape(3, 3), R.reshape(3, 3), t, row["width"], row["height"])


def pose_cell(pose: HandPose) -> dict[str, Any]:
    """The four parameter columns of one hand, from a batch of one."""
    return {name: getattr(pose, name)[0].detach().cpu().numpy().astype(np.float32) for name in PARAMETERS}


def pose_of(cells: Sequence[Mapping[str, Any]], dtype: torch.dtype = torch.float32) -> HandPose:
    """A batch of one hand's poses from its cells, in the frame that the table keeps them in."""
    stacked = {name: np.asarray([cell[name] for cell in cells], dtype=np.float64) for name in PARAMETERS}
    return HandPose(**{name: torch.as_tensor(value, dtype=dtype) for name, value in stacked.items()})


def in_camera_frame(pose: HandPose, model: HandModel, camera: Camera) -> HandPose:
    """World-frame poses as `images` stores them: in the camera frame.

    A hand turns about its rest wrist J₀(betas), not about the origin, so `transl` becomes R·(J₀ + transl) + t − J₀.
    """
    R, t = (torch.as_tensor(value, dtype=torch.float64) for value in (camera.R, camera.t))
    wrist = model.rest_joints(pose.betas.to(model.v_template))[:, 0].double()
    orient = matrix_to_axis_angle(R @ axis_angle_to_matrix(pose.global_orient.double()))
    transl = (wrist + pose.transl.double()) @ R.mT + t - wrist
    return HandPose(orient.to(pose.transl), pose.hand_pose, pose.betas, transl.to(pose.transl))


def joints_3d(hand: Mapping[str, Any]) -> Float[np.ndarray, "21 3"]:
    """The joints of a hand's cell in metres, camera frame."""
    return np.asarray(hand["joints_3d"], dtype=np.float64).reshape(21, 3)


def joints_2d(hand: Mapping[str, Any]) -> Float[np.ndarray, "21 2"]:
    """The joints of a hand's cell in pixels."""
    return np.asarray(hand["joints_2d"], dtype=np.float64).reshape(21, 2)

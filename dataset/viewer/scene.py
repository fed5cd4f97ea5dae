"""A sample's geometry in the world frame, and the matrices that draw it exactly as its camera saw it.

Metres. "Eye axes" are those of OpenGL: x right, y up, z backwards; `hands.camera` has x right, y down, z forward.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from dataset.rows import camera_of, joints_3d, pose_of
from hands.camera import Camera
from hands.joints import Side
from hands.model import HandArrays, HandModel

NEAR, FAR = 0.01, 20.0
"""Depths between which a page draws, metres."""
_EYE = np.diag([1.0, -1.0, -1.0, 1.0])


def view_matrix(camera: Camera) -> Float[np.ndarray, "4 4"]:
    """World to eye axes."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = camera.R, camera.t
    return _EYE @ matrix


def projection_matrix(camera: Camera, near: float = NEAR, far: float = FAR) -> Float[np.ndarray, "4 4"]:
    """Eye axes to OpenGL's clip space, with the camera's own focal lengths and principal point.

    The image's left, right, lower and upper borders come to −1, 1, −1 and 1; depth `near` to −1, `far` to 1.
    """
    (fx, skew, cx), (_, fy, cy), _ = camera.K
    w, h, length = camera.width, camera.height, far - near
    return np.array(
        [
            [2 * fx / w, -2 * skew / w, 1 - 2 * cx / w, 0],
            [0, 2 * fy / h, 2 * cy / h - 1, 0],
            [0, 0, -(far + near) / length, -2 * far * near / length],
            [0, 0, -1, 0],
        ]
    )


def corner_rays(camera: Camera) -> Float[np.ndarray, "4 3"]:
    """World directions through the image's corners, clockwise from the upper left, for 1 m of camera depth."""
    w, h = camera.width, camera.height
    pixels = np.array([[0, 0, 1], [w, 0, 1], [w, h, 1], [0, h, 1]], dtype=float)
    return pixels @ np.linalg.inv(camera.K).T @ camera.R


def to_world(points: Float[np.ndarray, "n 3"], camera: Camera) -> Float[np.ndarray, "n 3"]:
    """Camera-frame points in the world, metres."""
    return (points - camera.t) @ camera.R


def surface(row: Mapping[str, Any], model: HandModel) -> Float[np.ndarray, "v 3"]:
    """Vertices of one hand of a row of `images`, camera frame, metres: the hand layer on the stored parameters."""
    with torch.no_grad():
        posed = pose_of([row[str(model.side)]], model.v_template.dtype).pose(model)
    return posed.vertices[0].double().cpu().numpy()


def face_parts(arrays: HandArrays) -> Int[np.ndarray, "f"]:
    """Part 0–15 of each face: the joint that moves its corners most, as in `mask_parts`."""
    return arrays.weights[arrays.faces].sum(axis=1).argmax(axis=1)


def middle(row: Mapping[str, Any]) -> Float[np.ndarray, "3"]:
    """Middle of all 42 joints in the world, metres."""
    joints = np.concatenate([joints_3d(row[side]) for side in Side])
    return to_world(joints.mean(0, keepdims=True), camera_of(row))[0]

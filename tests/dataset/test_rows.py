"""Rows and the objects of `hands`: nothing is lost, and poses arrive in the camera's frame."""

import numpy as np
import pytest
import torch

from dataset.rows import camera_cell, camera_of, in_camera_frame, pose_cell, pose_of
from hands.camera import look_at
from hands.joints import Side
from hands.pose import HandPose


@pytest.fixture
def camera():
    return look_at(np.array([0.3, -0.5, 0.2]), np.array([0.01, 0.02, 0.03]), np.array([0.0, 0, 1]), 0.4, 0.7, 320, 240)


def random_pose(seed):
    draw = np.random.default_rng(seed)
    parts = (
        draw.normal(0, 1, (3, 3)),
        draw.normal(0, 0.4, (3, 45)),
        draw.normal(0, 1, (3, 10)),
        draw.normal(0, 0.1, (3, 3)),
    )
    return HandPose(*(torch.as_tensor(part, dtype=torch.float32) for part in parts))


@pytest.mark.parametrize("side", Side)
def test_pose_in_the_camera_frame_is_the_surface_seen_by_the_camera(hands, camera, side):
    pose, model = random_pose(5), hands[side]
    seen = in_camera_frame(pose, model, camera).pose(model)
    world = pose.pose(model)
    np.testing.assert_allclose(seen.vertices, camera.to_camera(world.vertices.double().numpy()), atol=2e-6)
    np.testing.assert_allclose(seen.joints, camera.to_camera(world.joints.double().numpy()), atol=2e-6)


def test_cells_come_back(camera):
    row = {"camera": camera_cell(camera), "width": camera.width, "height": camera.height}
    again = camera_of(row)
    for name in ("K", "R", "t", "width", "height"):
        np.testing.assert_array_equal(getattr(again, name), getattr(camera, name))
    pose = random_pose(6)
    back = pose_of([pose_cell(pose[slice(i, i + 1)]) for i in range(3)])
    for name in ("global_orient", "hand_pose", "betas", "transl"):
        assert torch.equal(getattr(back, name), getattr(pose, name))

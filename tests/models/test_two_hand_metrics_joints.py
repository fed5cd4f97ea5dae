"""Joints of posed surfaces: those of the hand layer, for any hand, however the surface lies and trembles."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from dataset.assets.gestures import load_gestures
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose
from models.two_hand_metrics.surface_joints import surface_joints, surface_regressor


@pytest.fixture(scope="module", params=list(Side))
def posed(request, hands):
    """Gestures, bent at random and of other shapes: model, regressor, surfaces and the layer's joints."""
    side, model = request.param, hands[request.param]
    draws = torch.Generator().manual_seed(1)
    poses = TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in load_gestures()]).side(
        side
    )
    noise = lambda like: torch.randn(like.shape, generator=draws)  # noqa: E731
    poses = HandPose(
        poses.global_orient, poses.hand_pose + 0.1 * noise(poses.hand_pose), noise(poses.betas), poses.transl
    )
    surface = poses.pose(model)
    regressor = surface_regressor(model.arrays).float()
    return model, regressor, surface.vertices, model.joints_21(surface)


def test_the_joints_are_those_of_the_layer(posed):
    """Half a millimetre on average, where the rest shape's regressor is more than a centimetre off on the free hand."""
    model, regressor, vertices, joints = posed
    off = 1e3 * (surface_joints(vertices, regressor, model.arrays.tips) - joints).norm(dim=-1)
    assert off.mean() < 0.5 and off.max() < 4
    wrong = 1e3 * (surface_joints(vertices, model.J_regressor, model.arrays.tips) - joints).norm(dim=-1)
    assert wrong.mean() > 10, "if not, the free hand's own regressor can be used as MANO's is"


def test_noise_of_vertices_becomes_smaller(posed):
    _, regressor, *_ = posed
    assert regressor.norm(dim=1).max() < 0.35


def test_joints_move_turn_and_grow_with_the_surface(posed):
    model, regressor, vertices, _ = posed
    few = vertices[:3].double()
    turn = torch.tensor(Rotation.from_rotvec([1.0, -2.0, 0.5]).as_matrix())
    joints = lambda surface: surface_joints(surface, regressor.double(), model.arrays.tips)  # noqa: E731
    np.testing.assert_allclose(joints(1.3 * few @ turn.T + 0.4), 1.3 * joints(few) @ turn.T + 0.4, atol=1e-6)
    assert torch.equal(joints(few)[:, 4], few[:, model.arrays.tips[0]]), "the thumb's tip is a vertex"


def test_a_regressor_that_averages_vertices_is_taken_as_it_is(hands):
    """As MANO's does."""
    arrays = hands[Side.RIGHT].arrays
    averages = arrays.weights.T / arrays.weights.sum(0)[:, None]
    found = surface_regressor(replace(arrays, J_regressor=averages))
    np.testing.assert_array_equal(found, averages)

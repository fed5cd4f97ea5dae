"""The network's frame: numbers worked by hand, the way back, and what is not known."""

from dataclasses import replace

import pytest
import torch

from dataset.assets.gestures import load_gestures
from hands.gestures import gesture_pose
from hands.joints import JOINTS_21, Side
from hands.pose import TwoHandPose
from models.transhand.frames import (
    BONE,
    ROOT,
    JointRegressors,
    bone_length,
    scale_of,
    targets_of,
    to_camera,
    to_pixels,
    to_plane,
    weak_perspective,
)

K = torch.tensor([[[400.0, 0, 128], [0, 400, 120], [0, 0, 1]]])
KS = K.expand(4, 3, 3)
SIZE = 256


@pytest.fixture(scope="module")
def regressors(hands) -> JointRegressors:
    return JointRegressors.of({side: model.arrays for side, model in hands.items()})


@pytest.fixture(scope="module")
def poses(hands) -> TwoHandPose:
    """Four gestures half a metre before the camera."""
    made = [gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT]) for gesture in load_gestures()[:4]]
    return TwoHandPose.stack(made).moved(torch.tensor([[0.02, -0.01, 0.5]]).expand(4, 3))


@pytest.fixture(scope="module")
def surfaces(hands, poses) -> dict[Side, torch.Tensor]:
    """Their vertices, metres."""
    return {side: poses.side(side).pose(hands[side]).vertices for side in Side}


def few_vertices(wrist, knuckle, tip) -> torch.Tensor:
    """A hand of three vertices."""
    return torch.tensor([[wrist, knuckle, tip]])


@pytest.fixture
def three_vertices() -> JointRegressors:
    """Vertex 0 is the wrist, vertex 1 every other joint, vertex 2 every fingertip."""
    row = torch.zeros(16, 3)
    row[0, 0], row[1:, 1] = 1.0, 1.0
    return JointRegressors(dict.fromkeys(Side, row), dict.fromkeys(Side, (2,) * 5))


def test_numbers_worked_by_hand(three_vertices):
    right = few_vertices([0.30, 0.0, 0.5], [0.20, 0.0, 0.5], [0.1, 0.0, 0.5])  # a bone of 100 mm
    left = few_vertices([0.0, 0.0, 0.4], [0.0, 0.09, 0.4], [0.0, 0.1, 0.5])  # a bone of 90 mm
    found = targets_of({Side.RIGHT: right, Side.LEFT: left}, K, SIZE, three_vertices)
    assert found.scale.item() == pytest.approx(1.0)  # the mean bone is 95 mm
    assert found.left.vertices[0].tolist() == [
        pytest.approx([0.0, -0.09, 0.0]),
        pytest.approx([0.0, 0.0, 0.0]),
        pytest.approx([0.0, 0.01, 0.1], abs=1e-7),
    ]
    assert found.right.vertices[0, 0].tolist() == pytest.approx([0.30, -0.09, 0.1])
    assert found.right.joints[0, ROOT].tolist() == pytest.approx([0.20, -0.09, 0.1])
    x, y = 400 * 0.30 / 0.5 + 128, 400 * 0.0 / 0.5 + 120  # pixels
    assert found.right.vertices_2d[0, 0].tolist() == pytest.approx([2 * x / 256 - 1, 2 * y / 256 - 1])
    assert found.left.joints_2d[0, ROOT].tolist() == pytest.approx([0.0, 2 * (400 * 0.09 / 0.4 + 120) / 256 - 1])
    halved = targets_of({side: v / 2 for side, v in ((Side.RIGHT, right), (Side.LEFT, left))}, K, SIZE, three_vertices)
    assert halved.scale.item() == pytest.approx(0.5)
    torch.testing.assert_close(halved.right.vertices, found.right.vertices)


def test_joints_of_a_surface_are_those_of_the_hand_layer(hands, poses, regressors):
    for side in Side:
        posed = poses.side(side).pose(hands[side])
        apart = (regressors(side, posed.vertices) - hands[side].joints_21(posed)).norm(dim=-1)
        assert apart.mean() < 1e-3 and apart.max() < 4e-3


@pytest.mark.parametrize("bone", [BONE, 0.0, 1.0])
def test_there_and_back(surfaces, regressors, bone):
    found = targets_of(surfaces, KS, SIZE, regressors, bone)
    joints = {side: regressors(side, surfaces[side]) for side in Side}
    root = joints[Side.LEFT][:, ROOT, None]
    for side in Side:
        back = to_camera(found.hand(side).vertices, found.scale) + root
        torch.testing.assert_close(back, surfaces[side], rtol=0, atol=1e-6)
        torch.testing.assert_close(
            to_camera(found.hand(side).joints, found.scale) + root, joints[side], rtol=0, atol=1e-6
        )
        assert found.hand(side).has_vertices.all() and found.hand(side).is_in_front.all()
    bones = torch.stack([bone_length(found.hand(side).joints) for side in Side]).mean(0)
    if bone:
        torch.testing.assert_close(bones, torch.full_like(bones, bone))
    else:
        assert (found.scale == 1).all()
    true_bones = torch.stack([bone_length(joints[side]) for side in Side]).mean(0)
    torch.testing.assert_close(scale_of(true_bones, bone), found.scale)


def test_neither_size_nor_place_of_a_scene_changes_what_is_learnt_in_space(surfaces, regressors):
    found = targets_of(surfaces, KS, SIZE, regressors)
    moved = targets_of(
        {side: 1.3 * v + torch.tensor([0.1, 0, 1]) for side, v in surfaces.items()}, KS, SIZE, regressors
    )
    torch.testing.assert_close(moved.right.vertices, found.right.vertices, rtol=0, atol=2e-6)
    torch.testing.assert_close(moved.scale, 1.3 * found.scale)
    larger = targets_of({side: 1.3 * v for side, v in surfaces.items()}, KS, SIZE, regressors)
    torch.testing.assert_close(larger.left.vertices_2d, found.left.vertices_2d, rtol=0, atol=1e-5)


def test_the_left_middle_knuckle_is_the_origin(surfaces, regressors):
    assert JOINTS_21[ROOT] == "middle_1"
    found = targets_of(surfaces, KS, SIZE, regressors)
    assert found.left.joints[:, ROOT].abs().max() < 1e-6 < 1e-2 < found.right.joints[:, ROOT].norm(dim=-1).min()


def test_a_hand_of_joints_alone_is_learnt_by_its_joints(surfaces, regressors):
    joints = {side: regressors(side, surfaces[side]) for side in Side}
    gaps = {side: vertices.clone() for side, vertices in surfaces.items()}
    gaps[Side.RIGHT][0] = torch.nan  # joints alone
    gaps[Side.LEFT][1] = torch.nan  # joints alone, of the hand that is the origin
    gaps[Side.LEFT][2] = torch.nan  # nothing is known of the left hand
    gaps[Side.RIGHT][3] = torch.nan  # nothing is known of the right hand
    labelled = {side: value.clone() for side, value in joints.items()}
    labelled[Side.LEFT][2], labelled[Side.RIGHT][3] = torch.nan, torch.nan
    found = targets_of(gaps, KS, SIZE, regressors, joints=labelled)
    whole = targets_of(surfaces, KS, SIZE, regressors)
    assert found.right.has_vertices.tolist() == [False, True, False, False]
    assert found.right.has_joints.tolist() == [True, True, False, False]
    assert found.left.has_vertices.tolist() == [True, False, False, True]
    assert found.left.has_joints.tolist() == [True, True, False, True]
    for side in Side:
        torch.testing.assert_close(found.hand(side).joints[:2], whole.hand(side).joints[:2], rtol=0, atol=1e-6)
        torch.testing.assert_close(found.hand(side).joints_2d[:2], whole.hand(side).joints_2d[:2], rtol=0, atol=1e-5)
    alone = bone_length(joints[Side.LEFT])[3]
    assert found.scale[2].item() == 1 and found.scale[3].item() == pytest.approx(alone.item() / BONE, rel=1e-5)
    for side in Side:
        assert all(
            value.isfinite().all() for value in (getattr(found.hand(side), name) for name in vars(found.hand(side)))
        )
    none = targets_of(dict.fromkeys(Side, torch.full_like(gaps[Side.LEFT], torch.nan)), KS, SIZE, regressors)
    assert not none.left.has_joints.any() and (none.scale == 1).all()


def test_what_is_behind_the_camera_has_no_place_in_the_picture(surfaces, regressors):
    nearer = {side: vertices - torch.tensor([0, 0, 0.5]) for side, vertices in surfaces.items()}
    found = targets_of(nearer, KS, SIZE, regressors)
    assert not found.right.is_in_front.any() and found.right.has_vertices.all()
    assert (found.right.vertices_2d == 0).all() and (found.right.vertices != 0).any()


def test_the_hand_s_own_camera_is_that_of_the_release():
    points = torch.tensor([[[0.05, -0.02, 0.3]]])
    camera = torch.tensor([[3.0, 0.1, -0.2]])
    place = weak_perspective(points, camera)
    released = 3.0 * 256 * points[0, 0, :2] + camera[0, 1:] * 128 + 128  # uv = scale · 256 · xy + t · 128 + 128
    torch.testing.assert_close(to_pixels(place, 256)[0, 0], released)
    torch.testing.assert_close(to_plane(released, 256), place[0, 0])


def test_batches_are_joined_in_order(surfaces, regressors):
    whole = targets_of(surfaces, KS, SIZE, regressors)
    parts = [whole.map(lambda value, rows=rows: value[rows]) for rows in (slice(0, 1), slice(1, 4))]
    joined = type(whole).joined(parts)
    assert len(joined) == 4 and torch.equal(joined.scale, whole.scale)
    assert torch.equal(joined.left.vertices_2d, whole.left.vertices_2d)
    assert replace(whole, scale=whole.scale + 1).scale[0] != joined.scale[0]

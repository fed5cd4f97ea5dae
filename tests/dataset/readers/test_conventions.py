"""The pitfalls of other people's MANO parameters, one named test each."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.readers.cameras import view_from_centre, view_from_translation
from dataset.readers.conventions import (
    FingerAngles,
    from_unmended,
    one_shape_per_person,
    rotation_to_z,
    with_unmended_shapedirs,
)
from dataset.readers.frame import Refusal
from dataset.readers.interhand_joints import HAND_ORDER, joints_21
from dataset.rows import in_camera_frame
from hands.camera import Camera
from hands.joints import JOINTS_21, Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from hands.rotations import axis_angle_to_matrix
from tests.dataset.readers.writers import example_poses, interhand_cameras, interhand_joints, stored

vectors = st.lists(st.floats(-2, 2), min_size=3, max_size=3).map(np.array)


@pytest.mark.parametrize("side", Side)
def test_hands_mean_is_added_to_angles_without_it_and_only_to_those(hands, side):
    arrays, numbers = hands[side].arrays, np.linspace(-1, 1, 45)
    assert np.linalg.norm(arrays.hands_mean) > 1, "otherwise this test sees nothing"
    np.testing.assert_allclose(FingerAngles.MINUS_MEAN.to_full(numbers, arrays), numbers + arrays.hands_mean)
    np.testing.assert_array_equal(FingerAngles.FULL.to_full(numbers, arrays), numbers)
    np.testing.assert_allclose(FingerAngles.MINUS_MEAN.to_full(np.zeros(45), arrays), arrays.hands_mean)


@pytest.mark.parametrize("side", Side)
def test_pca_coefficients_multiply_the_rows_of_that_sides_directions_even_all_45(hands, side):
    """smplx turns `use_pca` off at 45 components; manopth, which DexYCB uses, does not."""
    arrays = hands[side].arrays
    one = np.eye(45)[7] * 0.4
    np.testing.assert_allclose(
        FingerAngles.PCA.to_full(one, arrays), arrays.hands_mean + 0.4 * arrays.hands_components[7]
    )
    right, left = (FingerAngles.PCA.to_full(one, hands[s].arrays).reshape(15, 3) for s in Side)
    np.testing.assert_allclose(right * [1, -1, -1], left, atol=1e-12)


@given(rotvec=vectors, t=vectors, transl=vectors)
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("side", Side)
def test_trans_is_not_the_wrist_world_to_camera_is_r_of_j0_plus_trans_plus_t_minus_j0(hands, side, rotvec, t, transl):
    model = HandModel(hands[side].arrays, torch.float64)
    pose = example_poses(hands, 1, betas=1.5).side(side).to(torch.float64)
    pose = type(pose)(pose.global_orient, pose.hand_pose, pose.betas, torch.as_tensor(transl)[None])
    R = axis_angle_to_matrix(torch.as_tensor(rotvec)).numpy()
    seen = in_camera_frame(pose, model, Camera(np.eye(3), R, t, 0, 0))
    wanted = pose.pose(model).vertices[0].numpy() @ R.T + t
    np.testing.assert_allclose(seen.pose(model).vertices[0].numpy(), wanted, atol=1e-6)
    wrist = model.rest_joints(pose.betas)[0, 0].numpy()
    np.testing.assert_allclose(seen.transl[0].numpy(), R @ (wrist + transl) + t - wrist, atol=1e-7)
    assert np.linalg.norm(wrist) > 1e-4, "with a wrist at the origin the naive formula would pass too"


def test_left_shapedirs_as_published_give_another_hand_for_the_same_betas(hands):
    arrays = hands[Side.LEFT].arrays
    published, betas = with_unmended_shapedirs(arrays), np.linspace(2, -2, 10)
    np.testing.assert_array_equal(published.shapedirs[:, 1:], arrays.shapedirs[:, 1:])
    assert np.abs(published.shapedirs[:, 0] - hands[Side.RIGHT].arrays.shapedirs[:, 0]).sum() < 1, "the known fault"
    wanted = published.v_template + published.shapedirs @ betas
    naive = arrays.v_template + arrays.shapedirs @ betas
    fitted = arrays.v_template + arrays.shapedirs @ from_unmended(betas, arrays)
    error = lambda surface: np.square(surface - wanted).sum()  # noqa: E731
    assert error(fitted) < 0.9 * error(naive)
    nudged = [arrays.v_template + arrays.shapedirs @ (from_unmended(betas, arrays) + d) for d in 0.05 * np.eye(10)]
    assert all(error(surface) > error(fitted) for surface in nudged), "least squares"


def test_betas_that_vary_per_frame_become_one_shape_a_person_with_the_wrists_in_place(hands):
    poses = example_poses(hands, 4)
    betas = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    sides = [type(p)(p.global_orient, p.hand_pose, betas, p.transl) for p in (poses.right, poses.left)]
    varied = TwoHandPose(*sides)
    same = one_shape_per_person(varied, ["anna", "", "anna", "ben"], hands)
    for side in Side:
        found = same.side(side)
        assert torch.allclose(found.betas[0], (betas[0] + betas[2]) / 2, atol=1e-6)
        assert torch.equal(found.betas[0], found.betas[2])
        assert torch.equal(found.betas[[1, 3]], betas[[1, 3]]), "nobody's and a single frame stay"
        wrists = [pose.side(side).pose(hands[side]).joints[:, 0] for pose in (varied, same)]
        assert torch.allclose(*wrists, atol=1e-6)


def test_units_metres_and_millimetres_are_told_apart(hands):
    from dataset.readers.checks import metres

    np.testing.assert_array_equal(metres([0.2, -0.1, 1.4], "trans"), [0.2, -0.1, 1.4])
    with pytest.raises(Refusal, match="trans: wrong unit") as refused:
        metres([200.0, -100.0, 1400.0], "trans")
    assert (refused.value.value, refused.value.limit) == (1400.0, 10.0)


def test_units_degrees_and_radians_are_told_apart():
    from dataset.readers.checks import angles

    assert angles([0.1, 6.2, -3.0], "pose", 3)[1] == 6.2
    with pytest.raises(Refusal, match="pose: wrong unit"):
        angles([0.1, 90.0, -3.0], "pose", 3)


def test_joint_order_fingertips_first_and_wrist_last_becomes_ours(hands):
    assert HAND_ORDER[0] == "thumb_tip" and HAND_ORDER[3] == "thumb_1" and HAND_ORDER[20] == "wrist"
    assert sorted(HAND_ORDER) == sorted(JOINTS_21)
    poses = example_poses(hands, 1)
    entry = interhand_joints(poses, 0, hands)
    found, known = joints_21(entry["world_coord"], entry["joint_valid"], "")
    for number, side in enumerate(Side):
        wanted = hands[side].joints_21(poses.side(side).pose(hands[side]))[0].numpy()
        np.testing.assert_allclose(found[number], wanted, atol=1e-7, err_msg="metres, right hand first")
    assert known.all()


def test_joint_order_an_unknown_wrist_makes_the_whole_hand_unknown(hands):
    entry = interhand_joints(example_poses(hands, 1), 0, hands)
    entry["joint_valid"][41] = [0]
    _, known = joints_21(entry["world_coord"], entry["joint_valid"], "")
    assert known[0].all() and not known[1].any()


@given(rotvec=vectors, centre=vectors, point=vectors)
@settings(max_examples=30, deadline=None)
def test_camera_convention_x_cam_is_r_times_x_world_minus_campos(rotvec, centre, point):
    R = axis_angle_to_matrix(torch.as_tensor(rotvec)).numpy()
    view = view_from_centre((1000 * centre).tolist(), R.tolist(), "campos", "camrot")
    np.testing.assert_allclose(view.R @ point + view.t, R @ (point - centre), atol=1e-9)
    same = view_from_translation((1000 * view.t).tolist(), R.tolist(), "t", "R")
    np.testing.assert_allclose(same.t, view.t, atol=1e-12)


@pytest.mark.parametrize("matrix", [np.diag([1.0, 1.0, -1.0]), 1.1 * np.eye(3), np.zeros((3, 3))])
def test_camera_convention_a_matrix_that_is_no_rotation_is_refused(matrix):
    with pytest.raises(Refusal, match="camrot: not a rotation"):
        view_from_centre([0, 0, 1000], matrix.tolist(), "campos", "camrot")


@given(up=vectors.filter(lambda v: np.linalg.norm(v) > 0.1))
@settings(max_examples=50, deadline=None)
def test_any_vertical_is_turned_to_z(up):
    up = up / np.linalg.norm(up)
    R = rotation_to_z(tuple(up))
    np.testing.assert_allclose(R @ up, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(R) > 0


@pytest.mark.parametrize("z", [1.0, -1.0])
def test_a_vertical_along_z_is_turned_without_dividing_by_zero(z):
    np.testing.assert_allclose(rotation_to_z((0.0, 0.0, z)) @ [0, 0, z], [0, 0, 1])


def test_the_vertical_of_a_capture_is_the_mean_of_its_cameras(hands):
    from dataset.readers.cameras import vertical

    cameras = interhand_cameras(turns=(0.0, 1.5, 3.0, -1.5), tilt=0.0)
    views = [view_from_centre(cameras["campos"][name], R, "campos", "camrot") for name, R in cameras["camrot"].items()]
    np.testing.assert_allclose(vertical(views, ""), [0, -1, 0], atol=1e-9)
    on_its_side = axis_angle_to_matrix(torch.tensor([0.0, 0.0, np.pi / 2])).numpy()
    turned = view_from_centre([0, 0, -1000], on_its_side.tolist(), "campos", "camrot")
    tilted = vertical([*views, turned], "")
    assert tilted[1] < -0.9, "one camera mounted on its side, as 400412 is, changes little"


def test_cameras_given_in_metres_are_refused():
    from dataset.readers.cameras import vertical

    cameras = interhand_cameras()
    views = [
        view_from_centre((np.array(cameras["campos"][name]) / 1000).tolist(), R, "campos", "camrot")
        for name, R in cameras["camrot"].items()
    ]
    with pytest.raises(Refusal, match=r"13\.campos: wrong unit"):
        vertical(views, "13.campos")


def test_a_written_hand_has_what_each_convention_promises(hands):
    """The writers of these tests are not the readers turned around by accident."""
    poses = example_poses(hands, 1)
    model = hands[Side.RIGHT]
    full = stored(poses.right, 0, model, FingerAngles.FULL)["pose"]
    np.testing.assert_allclose(full[3:], poses.right.hand_pose[0].numpy(), atol=1e-6)
    coefficients = np.array(stored(poses.right, 0, model, FingerAngles.PCA)["pose"][3:])
    np.testing.assert_allclose(
        model.arrays.hands_mean
        + sum(c * row for c, row in zip(coefficients, model.arrays.hands_components, strict=True)),
        full[3:],
        atol=1e-6,
    )

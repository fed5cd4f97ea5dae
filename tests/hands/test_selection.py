"""Choosing distinct poses: the stated distance, farthest points against brute force, and no copy twice."""

import math
from dataclasses import replace

import pytest
import torch

from hands.joints import Side
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from hands.selection import (
    closer_than,
    distances_apart,
    farthest_points,
    joint_features,
    pose_distances,
    with_shape,
)
from tests.dataset.readers.writers import example_poses, in_recording


@pytest.fixture
def cloud() -> torch.Tensor:
    """Features of 200 made-up poses, millimetres."""
    return 40 * torch.randn(3, 200, 42, generator=torch.Generator().manual_seed(5))


def all_distances(features: torch.Tensor) -> torch.Tensor:
    """Every pose against every other, the plain way."""
    joints = features.permute(1, 2, 0).double()
    return torch.stack([(joints - one).norm(dim=-1).mean(-1) for one in joints])


def test_the_distance_is_the_mean_joint_distance_in_millimetres(hands):
    poses = example_poses(hands, 2)
    features = joint_features(poses, hands)
    assert features.shape == (3, 2, 42)
    mean = {side: with_shape(poses.side(side), torch.zeros(2, 10), hands[side]) for side in Side}
    joints = torch.cat([hands[s].joints_21(mean[s].pose(hands[s])) for s in Side], dim=1)
    turn = axis_angle_to_matrix(poses.right.global_orient)
    seen = [(joints[i] - joints[i, 0]) @ turn[i] for i in range(2)]
    wanted = 1000 * (seen[0] - seen[1]).norm(dim=-1).mean()
    assert pose_distances(features, 0)[1].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert pose_distances(features, 0)[0] == 0


def test_place_and_rotation_of_both_hands_together_do_not_count(hands):
    poses = example_poses(hands, 3)
    moved = in_recording(poses, hands, up=(0.6, 0.0, 0.8), at=(1.0, 2.0, -0.5)).to(torch.float32)
    difference = joint_features(poses, hands) - joint_features(moved, hands)
    assert difference.abs().max() < 0.01


def test_hand_shape_counts_only_through_where_the_wrists_are(hands):
    poses = example_poses(hands, 2, betas=0.0)
    other = torch.linspace(1, -1, 10).repeat(2, 1)
    reshaped = TwoHandPose(*(with_shape(poses.side(side), other, hands[side]) for side in Side))
    assert (joint_features(poses, hands) - joint_features(reshaped, hands)).abs().max() < 0.01


def test_moving_one_hand_by_a_centimetre_is_half_a_centimetre(hands):
    poses = example_poses(hands, 1)
    apart = TwoHandPose(poses.right, poses.left.moved(torch.tensor([[0.01, 0.0, 0.0]])))
    features = joint_features(TwoHandPose.stack([poses, apart]), hands)
    assert pose_distances(features, 0)[1].item() == pytest.approx(5.0, abs=0.01)


def test_with_shape_keeps_the_wrist_and_the_rotations(hands):
    pose = example_poses(hands, 2).left
    reshaped = with_shape(pose, torch.ones(2, 10), hands[Side.LEFT])
    before, after = pose.pose(hands[Side.LEFT]), reshaped.pose(hands[Side.LEFT])
    assert torch.allclose(before.joints[:, 0], after.joints[:, 0], atol=1e-6)
    assert not torch.allclose(before.joints[:, 3], after.joints[:, 3], atol=1e-3)


@pytest.mark.parametrize("rows", [1, 7, 64, 4096])
def test_distances_do_not_depend_on_the_blocks(cloud, rows):
    assert torch.equal(pose_distances(cloud, 3, rows=rows), pose_distances(cloud, 3))


def test_farthest_points_agree_with_brute_force(cloud):
    distance = all_distances(cloud)
    ordinary = (cloud.double() - cloud.double().mean(1, keepdim=True)).norm(dim=0).mean(1)
    chosen = [int(ordinary.argmin())]
    while len(chosen) < 40:
        chosen.append(int(distance[chosen].amin(0).argmax()))
    found = farthest_points(cloud, 40)
    assert found.indices == tuple(chosen)
    assert found.radius_mm == pytest.approx(distance[chosen].amin(0).max().item(), rel=1e-5)


def test_every_pose_is_within_the_covering_radius_and_the_chosen_ones_are_not_closer_together(cloud):
    found = farthest_points(cloud, 25)
    distance = all_distances(cloud)[list(found.indices)]
    assert distance.amin(0).max() <= found.radius_mm + 1e-3
    among = distance[:, list(found.indices)]
    among.fill_diagonal_(torch.inf)
    assert among.min() >= found.radius_mm - 1e-3


def test_a_shorter_selection_is_the_beginning_of_a_longer_one(cloud):
    long = farthest_points(cloud, 30)
    for count in (1, 2, 17):
        short = farthest_points(cloud, count)
        assert short.indices == long.indices[:count] and short.radius_mm >= long.radius_mm


def test_the_order_of_the_poses_does_not_matter(cloud):
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    shuffled = farthest_points(cloud[:, order].contiguous(), 30)
    assert [int(order[index]) for index in shuffled.indices] == list(farthest_points(cloud, 30).indices)


def test_copies_are_never_both_chosen(cloud):
    copied = torch.cat([cloud[:, :30], cloud[:, :30], cloud[:, 5:6]], dim=1)
    found = farthest_points(copied, 61)
    assert len(found.indices) == 30 and found.radius_mm == 0
    assert len({index % 30 if index < 60 else 5 for index in found.indices}) == 30


def test_one_pose_alone(cloud):
    assert farthest_points(cloud[:, :1].contiguous(), 5) == farthest_points(cloud[:, :1].contiguous(), 1)
    assert farthest_points(cloud[:, :1].contiguous(), 1).indices == (0,)


def test_real_poses_with_copies(hands):
    """A pose turned as a whole is a copy; a bent finger is not."""
    poses = example_poses(hands, 3)
    bent = replace(poses.right, hand_pose=poses.right.hand_pose + 0.2)
    features = joint_features(TwoHandPose.stack([poses, poses, TwoHandPose(bent, poses.left)]), hands)
    found = farthest_points(features, 9)
    assert len(found.indices) == 6 and {index % 3 for index in found.indices if index < 6} == {0, 1, 2}


def test_distance_between_hands_is_that_of_their_nearest_vertices(hands):
    pose = example_poses(hands, 2)
    apart = distances_apart(pose, hands, rows=1)
    for row in range(2):
        right, left = (pose.side(side)[[row]].pose(hands[side]).vertices[0].double() for side in Side)
        assert apart[row].item() == pytest.approx((right[:, None] - left).norm(dim=-1).min().item(), abs=1e-6)
    far = TwoHandPose(pose.right, pose.left.moved(torch.tensor([[-1.0, 0.0, 0.0]] * 2)))
    assert (distances_apart(far, hands) > 0.7).all()


@pytest.mark.parametrize("limit", [0.0, 0.02, 0.05, 0.11, 0.3])
def test_closer_than_is_the_exact_answer_for_clear_and_close_cases(hands, limit):
    pose = example_poses(hands, 1)
    steps = torch.linspace(0, 0.25, 60)[:, None] * torch.tensor([[-1.0, 0.0, 0.0]])
    apart = TwoHandPose(pose.right[[0] * 60], pose.left[[0] * 60].moved(steps))
    exact = distances_apart(apart, hands)
    assert exact.min() < 0.01 and 0.15 < exact.max() < 0.3
    for at in (limit, float(exact[25]), float(exact[26]) - 1e-6):
        assert torch.equal(closer_than(apart, hands, at, rows=7), exact <= at)


def test_the_right_wrist_is_the_origin_and_gives_the_axes(hands):
    """The middle finger of a flat hand points the same way however the wrist is turned."""
    turns = torch.stack([torch.eye(3), axis_angle_to_matrix(torch.tensor([0.3, -1.0, 2.0]))])
    flat = HandPose(matrix_to_axis_angle(turns), torch.zeros(2, 45), torch.zeros(2, 10), torch.ones(2, 3))
    features = joint_features(TwoHandPose(flat, flat), hands)
    assert features[:, :, 0].abs().max() == 0
    tips = features[:, :, 12]
    assert (tips[:, 0] - tips[:, 1]).abs().max() < 0.01 and tips.norm(dim=0).min() > 100
    assert math.isfinite(float(features.sum()))

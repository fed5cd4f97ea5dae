"""Augmentation: inside the limits always, decided by names alone."""

import pytest
import torch

from hands.anatomy import hand_pose_to_angles, joint_frames, limit_excess
from hands.augment import AugmentationConfig, augment, reshape_people
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose

WIDE = AugmentationConfig(copies=1, bend_degrees=90, splay_degrees=30)


def flat(count: int) -> TwoHandPose:
    """Flat hands 20 cm apart."""
    hand = lambda x: HandPose(  # noqa: E731
        torch.zeros(count, 3),
        torch.zeros(count, 45),
        torch.zeros(count, 10),
        torch.tensor([[x, 0.0, 0.0]]).repeat(count, 1),
    )
    return TwoHandPose(hand(0.1), hand(-0.1))


def excess_degrees(pose: HandPose, model) -> torch.Tensor:
    """Largest limit violation of each pose."""
    return torch.rad2deg(
        limit_excess(hand_pose_to_angles(pose.hand_pose, joint_frames(model))).abs().flatten(1).amax(1)
    )


def test_no_augmented_pose_leaves_the_limits(hands):
    names = [f"p{i}" for i in range(2000)]
    varied = augment(flat(2000), names, hands, WIDE, seed=3)
    for side in Side:
        assert excess_degrees(varied.side(side), hands[side]).max() < 0.01


def test_poses_that_start_outside_are_brought_inside(hands, generator):
    start = flat(200)
    wild = HandPose(
        start.right.global_orient,
        torch.as_tensor(generator.normal(0, 0.5, (200, 45)), dtype=torch.float32),
        start.right.betas,
        start.right.transl,
    )
    assert excess_degrees(wild, hands[Side.RIGHT]).min() > 5
    varied = augment(TwoHandPose(wild, start.left), [str(i) for i in range(200)], hands, WIDE, seed=0)
    assert excess_degrees(varied.right, hands[Side.RIGHT]).max() < 0.05


def test_offsets_use_the_whole_range_and_are_no_larger(hands):
    config = AugmentationConfig(copies=1, bend_degrees=10, splay_degrees=5)
    varied = augment(flat(1000), [str(i) for i in range(1000)], hands, config, seed=0)
    angles = torch.rad2deg(hand_pose_to_angles(varied.right.hand_pose, joint_frames(hands[Side.RIGHT])))
    bend, splay = angles[:, 3, 0], angles[:, 3, 1]  # root of the middle finger
    assert bend.abs().max() <= 10.01 and bend.min() < -9 and bend.max() > 9
    assert splay.abs().max() <= 5.01 and splay.abs().max() > 4.5
    assert angles[..., 2].abs().max() < 0.01


def test_a_pose_depends_on_its_name_not_on_its_neighbours(hands):
    names = [f"p{i}" for i in range(7)]
    together = augment(flat(7), names, hands, WIDE, seed=5)
    alone = augment(flat(1), names[4:5], hands, WIDE, seed=5)
    assert torch.equal(together.left.hand_pose[4:5], alone.left.hand_pose)
    assert not torch.allclose(together.left.hand_pose[4], together.left.hand_pose[3])


def test_people_share_a_shape_between_hands_and_keep_their_gesture(hands):
    grown = reshape_people(flat(50), [str(i) for i in range(50)], hands, WIDE, seed=1)
    assert torch.equal(grown.right.betas, grown.left.betas)
    assert grown.right.betas.abs().max() <= 2 * WIDE.shape_sigma + 1e-6
    wrist = {side: (hands[side].rest_joints(grown.side(side).betas)[:, 0] + grown.side(side).transl) for side in Side}
    apart = (wrist[Side.RIGHT] - wrist[Side.LEFT]).norm(dim=-1)
    rest = hands[Side.RIGHT].rest_joints(grown.right.betas)
    size = (rest[:, [1, 4, 7, 10]].mean(1) - rest[:, 0]).norm(dim=-1)
    assert torch.allclose(apart / size, (apart / size)[:1].expand(50), rtol=1e-4)


@pytest.mark.parametrize("wrong", [{"copies": -1}, {"bend_degrees": 400}, {"splay_degrees": -1}, {"shape_sigma": 9}])
def test_impossible_settings_say_which(wrong):
    with pytest.raises(ValueError, match=f"augmentation.{next(iter(wrong))}"):
        AugmentationConfig(**wrong)

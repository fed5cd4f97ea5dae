"""Labelled poses: inside the limits, labelled by what really happened to them, nothing that gives the answer away."""

import numpy as np
import pytest
import torch

from hands.anatomy import TWIST, angles_to_hand_pose, joint_frames, limit_excess, limits
from hands.joints import Side
from models.labelled_poses import (
    LabelConfig,
    NaturalPoses,
    displace,
    folds,
    generator,
    label,
    natural_poses,
    nearest,
    probability,
    vary,
)

CONFIG = LabelConfig()


def test_the_label_is_one_at_zero_a_half_at_the_named_offset_and_falls_towards_zero():
    labels = probability(torch.tensor([0.0, 9.0, 18.0, 36.0, 1800.0]), half=18.0)
    torch.testing.assert_close(labels, torch.tensor([1.0, 0.8, 0.5, 0.2, 1 / 10001]))


def test_no_pose_leaves_the_limits_but_in_twist(library, draws):
    for poses in (vary(library, 3000, CONFIG, draws), displace(library, 3000, CONFIG, draws)[0]):
        assert limit_excess(poses).abs().max() < 1e-12
    labelled = label(library, 3000, CONFIG, draws).angles.clone()
    labelled[..., TWIST] = 0
    assert limit_excess(labelled).abs().max() < 1e-12


def test_offsets_are_those_that_came_about(draws):
    pose = torch.full((1, 15, 3), 0.1, dtype=torch.float64).clamp(*limits(torch.float64))
    one = NaturalPoses(pose, torch.tensor([0]))
    poses, offsets = displace(one, 200, CONFIG, draws)
    moved = np.degrees((poses - one.angles).numpy())
    by_hand = np.sqrt((moved**2).sum((1, 2)) / 20)
    np.testing.assert_allclose(offsets, by_hand)
    assert np.abs(moved[..., 0]).max() <= 90 and np.abs(moved[..., 1]).max() <= 30 and (moved[..., TWIST] == 0).all()


def test_a_larger_share_of_the_ranges_moves_poses_farther(library, draws):
    some, most = (displace(library, 1000, CONFIG, draws, least=least)[1] for least in (0.0, 1.0))
    assert 25 < most.mean() < 45 and some.mean() < 0.75 * most.mean()


def test_half_is_natural_and_labelled_one(library, draws):
    labelled = label(library, 1001, CONFIG, draws)
    assert len(labelled) == 1001 and labelled.rotations.shape == (1001, 15, 3, 3)
    assert (labelled.labels[:500] == 1).all() and (labelled.offsets[:500] == 0).all()
    assert (labelled.offsets[500:] > 0).all() and labelled.labels[500:].max() < 1
    torch.testing.assert_close(labelled.labels[500:], probability(labelled.offsets[500:], CONFIG.half_degrees))


def test_twist_says_nothing_about_the_label(library, draws):
    twists = label(library, 4000, CONFIG, draws).angles[..., TWIST].rad2deg()
    for half in (twists[:2000], twists[2000:]):
        assert half.std() == pytest.approx(CONFIG.twist_degrees, rel=0.05) and half.mean().abs() < 0.1


def test_natural_variations_stay_near_what_people_do(library, draws):
    still = LabelConfig(on_the_way=0.0)
    assert nearest(vary(library, 1000, still, draws), library.angles).quantile(0.99) < 9
    assert nearest(vary(library, 1000, CONFIG, draws), library.angles).mean() < 7


def test_every_group_is_held_out_once_and_never_learned_from_then(library, draws):
    held_out = []
    for learned, others in folds(library, 4, draws):
        assert not set(learned.groups.tolist()) & set(others.groups.tolist())
        assert len(learned) + len(others) == len(library)
        held_out += others.groups.unique().tolist()
    assert sorted(held_out) == list(range(49))


def test_too_few_groups_are_refused(draws):
    few = NaturalPoses(torch.zeros(10, 15, 3, dtype=torch.float64), torch.arange(10) // 5)
    with pytest.raises(ValueError, match="come from 2 gestures or recordings, 3 or more are needed"):
        folds(few, 3, draws)


def test_poses_of_both_hands_are_read_and_brought_inside_the_limits(hands, library):
    right, left = (angles_to_hand_pose(library.angles[:3].float(), joint_frames(hands[side])) for side in Side)
    outside = angles_to_hand_pose(torch.full((1, 15, 3), 1.0), joint_frames(hands[Side.RIGHT]))
    read = natural_poses(torch.cat([right, left, outside]), [Side.RIGHT] * 3 + [Side.LEFT] * 3 + [Side.RIGHT], hands)
    torch.testing.assert_close(read.angles[:3], library.angles[:3], atol=1e-5, rtol=0)
    torch.testing.assert_close(read.angles[3:6], library.angles[:3], atol=1e-5, rtol=0)
    assert limit_excess(read.angles).abs().max() == 0 and len(read.groups.unique()) == 7


def test_names_alone_decide_the_numbers():
    first, again, other = (torch.rand(4, generator=generator(1, *names)) for names in (("a", 2), ("a", 2), ("a", 3)))
    assert torch.equal(first, again) and not torch.equal(first, other)

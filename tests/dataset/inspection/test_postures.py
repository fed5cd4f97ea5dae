"""Postures of sampled poses: maps, joint angles, near doubles."""

import numpy as np
import pytest
import torch

from dataset.inspection.poses import PoseSample, survey_poses
from dataset.inspection.postures import ANGLES, angle_ranges, embed, nearest, postures
from dataset.manifest import Manifest
from hands.anatomy import BEND, LIMITS_DEGREES, TWIST, angles_to_hand_pose, joint_frames
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose
from tests.dataset.inspection.conftest import copied


@pytest.fixture
def facts(written, samples):
    """Three postures, two of them twice, and augmented copies."""
    rows = [*samples, copied(samples[0], 1), copied(samples[1], 2)]
    rows += [copied(samples[n % 5], 10 + n, augmentation=1 + n) for n in range(7)]
    return survey_poses(Manifest.read(written(rows)).paths("poses"), lambda rows: None)


def with_angles(hands, angles):
    """Poses of both hands with these angles, (n, 15, 3) radians."""
    zeros = torch.zeros(len(angles), 3)
    sides = [
        HandPose(zeros, angles_to_hand_pose(angles, joint_frames(hands[side])), torch.zeros(len(angles), 10), zeros)
        for side in Side
    ]
    return TwoHandPose(*sides)


def test_the_angles_are_those_of_table_2():
    assert len(ANGLES) == 20
    assert ("index middle bend", 1, BEND, (-4, 110)) in ANGLES
    assert sorted(bounds for *_, bounds in ANGLES) == sorted(b for f in LIMITS_DEGREES.values() for b in f)


def test_percentiles_and_angles_outside_are_found(hands):
    angles = torch.zeros(101, 15, 3)
    angles[:, 1, BEND] = torch.deg2rad(torch.linspace(0, 100, 101))
    angles[:3, 0, BEND] = np.radians(71)
    angles[7, 4, TWIST] = np.radians(-2)
    found = angle_ranges(with_angles(hands, angles), hands)
    names = [name for name, *_ in ANGLES]
    middle, root = names.index("index middle bend"), names.index("index root bend")
    for hand in range(2):
        np.testing.assert_allclose(found.percentiles[hand, middle], [0, 5, 50, 95, 100], atol=1e-3)
    assert found.outside[:, root].tolist() == [3, 3]
    assert found.outside.sum() == 6
    assert found.fixed == pytest.approx(2, abs=1e-3)


def test_an_angle_at_its_limit_is_not_outside(hands):
    angles = torch.zeros(2, 15, 3)
    angles[:, 0, BEND] = np.radians(70)
    assert angle_ranges(with_angles(hands, angles), hands).outside.sum() == 0


def test_both_kinds_of_poses_are_on_the_map(facts, hands):
    augmented = facts.mapped.columns["augmentation"] != 0
    assert augmented.sum() == 9, "sample 3 and 4 are augmented themselves"
    assert (facts.count, facts.raw) == (14, 5)
    found = postures(facts, hands)
    assert found.places.shape == (14, 2)
    assert np.isfinite(found.places).all()


def test_copies_are_near_doubles(facts, hands):
    found = postures(facts, hands)
    assert found.near_count == 14
    assert found.near_doubles == 1
    assert found.nearest_mm.max() < 1e-3


def test_the_nearest_other_pose_is_found(generator):
    features = torch.as_tensor(50 * generator.normal(size=(3, 30, 42)), dtype=torch.float32)
    apart = features.permute(1, 0, 2)[:, None] - features.permute(1, 0, 2)[None]
    distances = apart.norm(dim=2).mean(-1).fill_diagonal_(torch.inf).amin(1)
    assert distances.min() > 10
    np.testing.assert_allclose(nearest(features), distances, rtol=1e-4)
    assert len(nearest(features, asked=4)) == 4
    assert len(nearest(features[:, :1])) == 0


def test_the_map_keeps_neighbours_together_and_is_the_same_every_time(generator):
    centres = 100 * generator.normal(size=(3, 3, 1, 42))
    features = [centre + generator.normal(size=(3, 20, 42)) for centre in centres]
    features = torch.as_tensor(np.concatenate(features, axis=1), dtype=torch.float32)
    places = embed(features)
    np.testing.assert_array_equal(places, embed(features))
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(1) // 20 == np.arange(60) // 20).all()


def test_few_poses_make_no_map_and_none_no_angles(written, samples, hands):
    few = survey_poses(Manifest.read(written(samples)).paths("poses"), lambda rows: None)
    assert postures(few, hands).places is None
    none = survey_poses([], lambda rows: None)
    found = postures(none, hands)
    assert (found.angles, len(found.nearest_mm), found.near_doubles) == (None, 0, 0)
    assert len(PoseSample({})) == 0

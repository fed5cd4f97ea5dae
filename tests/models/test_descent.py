"""The force of the discriminator: right, bounded by the limits, strong far away and towards natural poses."""

import torch

from hands.anatomy import TWIST, limit_excess, movable
from models.descent import Explorers, descend, probability_of, slope
from models.discriminator import NaturalDiscriminator, load_discriminator
from models.labelled_poses import LabelConfig, displace, label, nearest, probability, vary

CONFIG = LabelConfig()


def test_random_poses_become_natural_ones_without_leaving_the_limits(library, draws):
    network = load_discriminator().double()
    start, _ = displace(library, 60, CONFIG, draws, least=1.0)
    end = descend(network, start)
    assert limit_excess(end).abs().max() < 1e-12
    assert probability_of(network, start).mean() < 0.35
    assert (probability_of(network, end) > 0.9).double().mean() > 0.9
    before, after = nearest(start, library.angles), nearest(end, library.angles)
    assert before.mean() > 20 and after.mean() < 13 and (after < before).double().mean() > 0.95


def test_there_is_no_place_that_it_takes_for_natural_far_from_natural_poses(library, draws):
    network = load_discriminator().double()
    start, _ = displace(library, 40, CONFIG, draws, least=1.0)
    assert nearest(descend(network, start, steps=150, rate=0.05), library.angles).max() < 20


def test_the_slope_is_never_flat_far_away_and_gentle_at_natural_poses(library, draws):
    network = load_discriminator().double()
    far = slope(network, displace(library, 500, CONFIG, draws, least=1.0)[0]).flatten(1).norm(dim=1)
    near = slope(network, vary(library, 500, CONFIG, draws)).flatten(1).norm(dim=1)
    assert far.isfinite().all() and far.min() > 0.05 and far.median() > 0.4
    assert near.median() < far.median() / 10


def test_the_slope_is_that_of_equation_8_and_only_of_movable_angles(draws):
    network = NaturalDiscriminator(generator=draws).double()
    poses = 0.3 * torch.randn(1, 15, 3, generator=draws, dtype=torch.float64)
    found = slope(network, poses)
    assert (found[:, ~movable()] == 0).all() and (found[..., TWIST] == 0).all()
    loss = lambda angles: (probability_of(network, angles) - 1).square()  # noqa: E731
    for joint, angle in movable().nonzero().tolist():
        step = torch.zeros_like(poses)
        step[0, joint, angle] = 1e-6
        numeric = (loss(poses + step) - loss(poses - step)) / 2e-6
        torch.testing.assert_close(found[0, joint, angle], numeric[0], atol=1e-8, rtol=1e-6)


def test_explorers_go_on_and_are_labelled_by_the_nearest_natural_pose(library, draws):
    network = NaturalDiscriminator(generator=draws).double()
    poses = label(library, 400, CONFIG, draws)
    explorers = Explorers(poses, 40, CONFIG, draws)
    begun = explorers.angles.clone()
    found = explorers.explore(network)
    assert (found.angles - begun).abs().amax((1, 2)).min() > 0.01
    flat = found.angles.clone()
    flat[..., TWIST] = 0
    assert limit_excess(flat).abs().max() < 1e-12 and found.angles[..., TWIST].rad2deg().std() > 4
    torch.testing.assert_close(found.offsets, nearest(found.angles, poses.angles[poses.offsets == 0]))
    torch.testing.assert_close(found.labels, probability(found.offsets, CONFIG.half_degrees))
    went_on = (explorers.angles[:, movable()] - found.angles[:, movable()]).abs().amax(1) < 1e-9
    assert 0 < went_on.sum() < 40

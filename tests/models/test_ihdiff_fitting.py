"""Alg. 2 with a network that is known in closed form: it finds hands again, fills in what is hidden, and couples no pairs."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from gaussian_hands import Known, known

from hands.joints import Side
from models.ihdiff import fitting
from models.ihdiff.diffusion import Schedule
from models.ihdiff.distance import Distance, TermWeights
from models.ihdiff.fitting import FitConfig, Fitted, fit, guide
from models.ihdiff.network import CleanHands
from models.ihdiff.observations import Observations
from models.ihdiff.placing import into_world, project
from models.ihdiff.representation import PackedHands, Placement, Standard, Surfaces, surfaces, unpack
from models.ihdiff.targets import spoil

QUICK = FitConfig(steps=200, step_size=0.15, settle=0.9)
"""For a network that is linear and far from saturating, the paper's steps are too long."""
CAMERA = torch.tensor([[500.0, 0, 256], [0, 500, 167], [0, 0, 1]])


@pytest.fixture(scope="module")
def prior(hands) -> Known:
    return known(hands, torch.Generator().manual_seed(0), 6)


@pytest.fixture(scope="module")
def true(hands, prior) -> Surfaces:
    return surfaces(prior.unseen.x, prior.unseen.betas, hands)


def found(prior: Known, hands, observations: Observations, config: FitConfig = QUICK, seed: int = 1) -> Fitted:
    return fit(prior.network, prior.standard, hands, observations, config, torch.Generator().manual_seed(seed))


def posed(fitted: Fitted, prior: Known, hands) -> Surfaces:
    return surfaces(prior.standard.restore(fitted.scaled), fitted.betas, hands)


def apart_mm(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return 1000 * (one - other).norm(dim=-1)


def average_hands(prior: Known, hands) -> torch.Tensor:
    return surfaces(prior.standard.mean.expand_as(prior.unseen.x), prior.unseen.betas, hands).joints


def test_clean_joints_are_found_again(prior, hands, true) -> None:
    """Of four tries each, the nearest one: some noise leads astray, and the distance that is left tells."""
    heard: list[int] = []
    goal = Surfaces(*(points.repeat(4, 1, 1) for points in true))
    clean = Observations(joints_3d=goal.joints)
    result = fit(prior.network, prior.standard, hands, clean, QUICK, torch.Generator().manual_seed(1), heard.append)
    own = posed(result, prior, hands)
    assert heard == [1] * 200
    nearest = result.distance.view(4, 6).argmin(0) * 6 + torch.arange(6)
    assert apart_mm(own.joints, goal.joints).mean(-1)[nearest].median() < 3
    assert apart_mm(own.both, goal.both).mean(-1)[nearest].median() < 3
    assert apart_mm(average_hands(prior, hands), true.joints).mean(-1).median() > 60
    measured = (own.joints - goal.joints).abs().mean((1, 2))
    torch.testing.assert_close(result.distance, measured, atol=1e-6, rtol=1e-3)
    assert not result.distance.requires_grad and not result.scaled.requires_grad


def test_hidden_joints_are_filled_in(prior, hands, true, draws) -> None:
    targets = spoil("partial", true.joints, draws)
    seen = torch.where(targets.seen[..., None], targets.joints, torch.nan)
    result = found(prior, hands, Observations(joints_3d=seen, joints_3d_seen=targets.seen), replace(QUICK, steps=100))
    hidden = apart_mm(posed(result, prior, hands).joints, true.joints)[~targets.seen]
    average = apart_mm(average_hands(prior, hands), true.joints)[~targets.seen]
    assert hidden.median() < 10
    assert average.median() > 50


def test_slopes_are_those_of_finite_differences(prior, hands, true, draws) -> None:
    exact = {side: deepcopy(hand).double() for side, hand in hands.items()}
    standard = Standard(prior.standard.mean.double(), prior.standard.std.double())
    world = into_world(true.joints.double(), Placement(*(value.double() for value in prior.unseen.placement)))
    measure = Distance(Observations(joints_3d=world, placed=True), exact, standard, TermWeights())
    x, level = torch.randn(6, 42, 9, generator=draws, dtype=torch.float64), 300
    guide(prior.network, x, level, standard, measure)  # finds the view
    _, left, slopes = guide(prior.network, x, level, standard, measure)
    assert left.min() > 0.005
    for along, slope in zip((x, *measure.view.numbers), slopes, strict=True):
        way = torch.randn(along.shape, generator=draws, dtype=torch.float64)
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                along += sign * 1e-6 * way
            sides.append(guide(prior.network, x, level, standard, measure)[1])
            with torch.no_grad():
                along -= sign * 1e-6 * way
        torch.testing.assert_close((way * slope).flatten(1).sum(-1), (sides[0] - sides[1]) / 2e-6, rtol=1e-4, atol=1e-8)


def test_pairs_do_not_know_of_each_other(prior, hands, true, monkeypatch, draws) -> None:
    noise = torch.randn(6, 42, 9, generator=draws)
    monkeypatch.setattr(fitting, "standard_noise", lambda count, generator: noise[:count])
    short = replace(QUICK, steps=12)
    world = into_world(true.joints, prior.unseen.placement)
    moved = world.clone()
    moved[1:] += 0.3 * torch.randn(5, 42, 3, generator=draws)
    one, other, alone = (
        found(prior, hands, Observations(joints_3d=joints, placed=True), short) for joints in (world, moved, world[:1])
    )
    assert torch.equal(one.scaled[0], other.scaled[0])
    assert torch.equal(one.placement.wrist[0], other.placement.wrist[0])
    assert not torch.equal(one.scaled[1], other.scaled[1])
    torch.testing.assert_close(alone.scaled, one.scaled[:1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(alone.distance, one.distance[:1], atol=1e-5, rtol=1e-4)


def test_the_same_seed_finds_the_same_hands(prior, hands, true) -> None:
    short, before = replace(QUICK, steps=5), torch.get_rng_state()
    one, other, third = (found(prior, hands, Observations(joints_3d=true.joints), short, seed) for seed in (1, 1, 2))
    assert torch.equal(one.scaled, other.scaled)
    assert not torch.equal(one.scaled, third.scaled)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_worlds_hands_are_found_in_the_world(prior, hands, true) -> None:
    world = into_world(true.joints, prior.unseen.placement)
    result = found(prior, hands, Observations(joints_3d=world, placed=True), replace(QUICK, steps=100))
    joints = into_world(posed(result, prior, hands).joints, result.placement)
    assert apart_mm(joints, world).mean(-1).median() < 10
    assert not result.placement.wrist.requires_grad
    torch.testing.assert_close(result.distance, (joints - world).abs().mean((1, 2)), atol=1e-6, rtol=1e-4)
    poses = unpack(result.packed(prior.standard), hands)
    for side, rows in ((Side.RIGHT, slice(0, 21)), (Side.LEFT, slice(21, 42))):
        own = hands[side].joints_21(poses.side(side).pose(hands[side]))
        torch.testing.assert_close(own, joints[:, rows], atol=1e-5, rtol=0)


def regressed(prior: Known, draws: torch.Generator) -> PackedHands:
    """The unseen hands, a third of a standard deviation off, the right wrist 17 mm and 5° off."""
    network = prior.network
    error = (torch.randn(6, 378, generator=draws) * network.variance.float().sqrt()) @ network.axes.float().mT
    x = prior.standard.restore(prior.standard.scale(prior.unseen.x) + 0.3 * error.unflatten(1, (42, 9)))
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.08, 0.04], [0.08, 0, 0], [-0.04, 0, 0]]))
    orient, wrist = prior.unseen.placement
    ahead = wrist + torch.tensor([0.0, 0.0, 0.6])
    return PackedHands(x, prior.unseen.betas, Placement(turn @ orient, ahead + 0.01))


@pytest.mark.parametrize("pinhole", [True, False])
def test_a_regressors_answer_is_corrected_by_what_the_image_shows(prior, hands, true, draws, pinhole) -> None:
    answer = regressed(prior, draws)
    orient, wrist = prior.unseen.placement
    world = into_world(true.joints, Placement(orient, wrist + torch.tensor([0.0, 0.0, 0.6])))
    camera = CAMERA.expand(6, 3, 3)
    pixels = 500 * project(world) + camera[:, None, :2, 2] if pinhole else 900 * world[..., :2] + 200
    seen = Observations(joints_2d=pixels, camera=camera if pinhole else None, regressed=answer, placed=True)
    result = found(prior, hands, seen, replace(QUICK, start=0.3))
    before = apart_mm(surfaces(answer.x, answer.betas, hands).joints, true.joints).mean(-1)
    after = apart_mm(posed(result, prior, hands).joints, true.joints).mean(-1)
    assert after.mean() < 0.75 * before.mean()
    joints = into_world(posed(result, prior, hands).joints, result.placement)
    if pinhole:
        shown = 500 * project(joints) + camera[:, None, :2, 2]
    else:
        shown = result.camera.scale[:, None, None] * (joints[..., :2] + result.camera.offset[:, None])
    assert (shown - pixels).norm(dim=-1).mean(-1).median() < 6


def test_a_regressors_answer_is_the_start(prior, hands, draws) -> None:
    answer = regressed(prior, draws)
    config = FitConfig(steps=1000, start=0.001)  # the cleanest level alone
    result = found(prior, hands, Observations(regressed=answer), config)
    torch.testing.assert_close(result.scaled, prior.standard.scale(answer.x), atol=0.1, rtol=0)


class Recorded:
    """Stands for `guide`: believes in zeros, slopes are given, and what it is asked is kept."""

    def __init__(self, slope: torch.Tensor) -> None:
        self.slope, self.asked, self.levels = slope, [], []

    def __call__(self, network, x, level, standard, distance) -> tuple[CleanHands, torch.Tensor, list[torch.Tensor]]:
        self.asked.append(x)
        self.levels.append(level)
        return CleanHands(torch.zeros_like(x), x.new_zeros(len(x), 20)), x.new_zeros(len(x)), [self.slope]


@pytest.mark.parametrize(("longest", "lengths"), [(0.0, (2.0, 0.2)), (0.5, (0.5, 0.2))])
def test_every_step_is_that_of_alg_1_and_one_down_the_slope(prior, hands, true, monkeypatch, longest, lengths) -> None:
    slope = torch.full((6, 42, 9), 0.001 / 378**0.5)  # as long as 0.001
    recorded = Recorded(slope)
    monkeypatch.setattr(fitting, "guide", recorded)
    config = FitConfig(steps=40, weight=500.0, step_size=4.0, later=0.1, settle=0.75, longest=longest)
    found(prior, hands, Observations(joints_3d=true.joints), config)
    schedule = Schedule(40)
    assert recorded.levels == schedule.steps
    for done, (x, after) in enumerate(zip(recorded.asked, recorded.asked[1:], strict=False)):
        step = schedule.next(x, torch.zeros_like(x), schedule.steps[done]) - after
        length = lengths[0] if done < 30 else lengths[1]
        torch.testing.assert_close(step.flatten(1).norm(dim=-1), torch.full((6,), length), rtol=1e-4, atol=1e-4)
        assert (step > 0).all()


def test_starts_and_sizes_that_cannot_be_are_refused(prior, hands, true) -> None:
    clean = Observations(joints_3d=true.joints)
    with pytest.raises(ValueError, match=r"fit\.start is 0\.5 without a regressor's answer"):
        found(prior, hands, clean, FitConfig(start=0.5))
    with pytest.raises(ValueError, match=r"fit\.steps is 1001"):
        FitConfig(steps=1001)
    with pytest.raises(ValueError, match=r"fit\.longest is nan"):
        FitConfig(longest=float("nan"))
    with pytest.raises(ValueError, match="nothing is observed"):
        found(prior, hands, Observations())


class Cracked(torch.nn.Module):
    """Believes as the network that it has; the first pair's slope is no number."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, noised: torch.Tensor, step: torch.Tensor) -> CleanHands:
        believed = self.network(noised, step)
        crack = (noised - noised.detach())[:1].sqrt()
        return believed._replace(scaled=torch.cat([believed.scaled[:1] + crack, believed.scaled[1:]]))


def test_a_slope_that_is_no_number_guides_nothing(prior, hands, true) -> None:
    short, clean = replace(QUICK, steps=10), Observations(joints_3d=true.joints)
    result = fit(Cracked(prior.network), prior.standard, hands, clean, short, torch.Generator().manual_seed(1))
    free = found(prior, hands, clean, replace(short, step_size=0.0))
    guided = found(prior, hands, clean, short)
    torch.testing.assert_close(result.scaled[0], free.scaled[0])
    torch.testing.assert_close(result.scaled[1:], guided.scaled[1:])
    assert not torch.allclose(guided.scaled[0], free.scaled[0], atol=0.1)


def test_hands_that_are_no_numbers_are_told_of(prior, hands, true) -> None:
    with pytest.raises(ValueError, match=r"fit of 6 of 6 hand pairs \(the first is 0\) .* take smaller steps"):
        found(prior, hands, Observations(joints_3d=true.joints), FitConfig(steps=5, step_size=1e38))

"""The optimiser: hands come apart, stay in touch, keep their limits, and do not see each other's batch mates."""

from dataclasses import replace

import pytest
import torch

from dataset.assets.gestures import load_gestures
from hands.anatomy import hand_pose_to_angles, joint_frames, limit_excess
from hands.contact import Anchors
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.optimise import Engine, OptimisationConfig, optimise
from hands.pose import HandPose, TwoHandPose
from hands.referee import judge
from tests.hands.posed import objective, varied_gestures, with_correctives

QUICK = OptimisationConfig(iterations=60, settle=45, rebuild_pairs=20)


@pytest.fixture(scope="module")
def engine(hands) -> Engine:
    return Engine(hands, Anchors.even(hands))


@pytest.fixture(scope="module")
def overlapping() -> TwoHandPose:
    """Three pairs of palms pressed 8–12 mm into each other, fingers slightly bent."""
    generator = torch.Generator().manual_seed(0)

    def hand(sign: float) -> HandPose:
        orient = torch.tensor([[sign * torch.pi / 2, 0.0, 0.0]]).repeat(3, 1)
        offset = torch.tensor([[sign * 0.06, 0.0, 0.0]]) + torch.tensor([[0.0], [0.002], [0.004]]) * torch.tensor(
            [[0, 1.0, 0]]
        )
        return HandPose(orient, 0.1 * torch.randn(3, 45, generator=generator), torch.zeros(3, 10), offset)

    right, left = hand(1.0), hand(1.0)
    turned = HandPose(-right.global_orient, left.hand_pose, left.betas, torch.tensor([[-0.06, 0.0, 0.0]]).repeat(3, 1))
    return TwoHandPose(right, turned)


def test_penetration_goes_and_limits_hold(hands, engine, overlapping):
    before, after = judge(overlapping, hands), judge(optimise(overlapping, engine, QUICK), hands)
    assert min(verdict.max_penetration_mm for verdict in before) > 4
    for new in after:
        assert new.max_penetration_mm < 2
        assert new.limit_excess_deg < 0.01


def test_attraction_closes_a_small_gap(hands, engine):
    (prayer,) = load_gestures(names=("prayer",))
    pose = gesture_pose(prayer, hands[Side.RIGHT], hands[Side.LEFT])
    gap = TwoHandPose(pose.right.moved(torch.tensor([[0.012, 0.0, 0.0]])), pose.left)
    without = replace(QUICK, attraction=(0.0, 0.0))
    before, after, ignored = (
        judge(p, hands)[0] for p in (gap, optimise(gap, engine, QUICK), optimise(gap, engine, without))
    )
    assert before.min_distance_mm > 4 and before.contact_vertices == 0
    assert after.min_distance_mm < 3 and after.contact_vertices > 5 and after.max_penetration_mm < 2
    assert ignored.min_distance_mm > 4


def test_hands_stuck_in_each_other_are_pulled_apart(hands, engine):
    """A finger through a palm: the slopes on its two sides cancel, so descent alone cannot free it."""
    poses = varied_gestures(hands, 2, 90, ("interlocked_fingers", "clasp", "hand_over_fist", "fist_bump"))
    config = OptimisationConfig(iterations=100, settle=80)
    deepest = lambda c: max(v.max_penetration_mm for v in judge(optimise(poses, engine, c), hands))  # noqa: E731
    assert deepest(config) < 3 < deepest(replace(config, separate_mm=0))


def test_a_judge_of_naturalness_is_heard(hands, engine, overlapping):
    """One that likes straight fingers straightens them."""
    straight = lambda rotations: (rotations.diagonal(dim1=-2, dim2=-1).sum(-1) - 3).mean(-1).exp()  # noqa: E731
    bent = lambda pose: hand_pose_to_angles(pose.right.hand_pose, joint_frames(hands[Side.RIGHT])).abs().mean()  # noqa: E731
    results = [
        bent(optimise(overlapping, replace(engine, naturalness=judge_), replace(QUICK, adversarial=weight)))
        for judge_, weight in ((straight, 20.0), (straight, 0.0), (None, 20.0))
    ]
    assert results[0] < 0.7 * results[1] and results[1] == results[2]


@pytest.mark.parametrize("kind", ["free hand", "with correctives"])
def test_a_pose_ends_the_same_alone_in_company_and_in_threads(hands, generator, kind):
    people = hands if kind == "free hand" else with_correctives(hands, generator)
    engine = Engine(people, Anchors.even(people))
    poses = varied_gestures(hands, 1, 60)[slice(0, 9)]
    config = replace(QUICK, iterations=30)
    together = optimise(poses, engine, config)
    threaded = optimise(poses, engine, config, batch=5, threads=2)
    alone = optimise(poses[slice(7, 8)], engine, config)
    for side in Side:
        for name in ("hand_pose", "transl"):
            values = [getattr(result.side(side), name) for result in (together, threaded, alone)]
            assert torch.equal(values[0], values[1])
            assert torch.equal(values[0][7:8], values[2])


def test_single_and_double_precision_end_close_to_each_other(hands, engine):
    poses = varied_gestures(hands, 1, 30)[slice(0, 21)]
    single, double = (optimise(poses, replace(engine, real=real), QUICK) for real in (torch.float32, torch.float64))
    apart = [(one.pose(hands[s]).vertices - two.pose(hands[s]).vertices).norm(dim=-1).amax(-1)
             for s in Side for one, two in [(single.side(s), double.side(s))]]  # fmt: skip
    assert torch.stack(apart).amax(0).median() < 1e-5, "metres; single poses may take another turn at a branch"


def test_the_gradient_is_the_slope_of_the_loss(hands):
    problem = objective(varied_gestures(hands, 1, 40, ("clasp", "steeple", "prayer", "fist_bump")), hands)
    weights = OptimisationConfig(spring=0.3).weights_at(100)
    problem.pair(problem.surfaces(problem.start))
    loss = lambda v: problem.terms(v, problem.surfaces(v)).weighted(weights).sum()  # noqa: E731
    variables = (problem.start + 0.01).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variables), variables)
    slopes, cells = [], [(b, h, i) for b in range(4) for h in (0, 1) for i in range(0, 48, 5)]
    for cell in cells:
        move = torch.zeros_like(variables)
        move[cell] = 1e-7
        with torch.no_grad():
            slopes.append((loss(variables + move) - loss(variables - move)) / 2e-7)
    exact = torch.stack([gradient[cell] for cell in cells])
    assert torch.allclose(exact, torch.stack(slopes), rtol=2e-3, atol=2e-3 * float(exact.abs().max()))


def test_wrist_rotations_and_shapes_stay(engine, overlapping):
    done = optimise(overlapping, engine, OptimisationConfig(iterations=3))
    assert torch.equal(done.right.global_orient, overlapping.right.global_orient)
    assert torch.equal(done.left.betas, overlapping.left.betas)


def test_no_iterations_only_bring_the_angles_inside(hands, engine, overlapping):
    done = optimise(overlapping, engine, OptimisationConfig(iterations=0))
    for side in Side:
        angles = hand_pose_to_angles(done.side(side).hand_pose, joint_frames(hands[side]))
        assert limit_excess(angles).abs().max() < 1e-5
        assert torch.allclose(done.side(side).transl, overlapping.side(side).transl)


def test_on_step_hears_every_pose(engine, overlapping):
    heard = []
    optimise(overlapping, engine, OptimisationConfig(iterations=4), batch=2, threads=2, on_step=heard.append)
    assert sum(heard) == 4 * len(overlapping)


def test_the_schedule_rises_and_falls_until_it_settles():
    config = OptimisationConfig(settle=100, attraction=(0.0, 1.0), penetration=(4.0, 2.0))
    share = lambda step: (config.weights_at(step).attraction, config.weights_at(step).penetration)  # noqa: E731
    assert share(0) == (0.0, 4.0)
    assert share(50) == (0.5, 3.0)
    assert share(100) == share(500) == (1.0, 2.0)

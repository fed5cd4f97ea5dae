"""The optimiser: hands come apart, stay in touch, keep their limits, and do not see each other's batch mates."""

import pytest
import torch

from dataset.gestures import load_gestures
from hands.anatomy import hand_pose_to_angles, joint_frames, limit_excess
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.optimise import OptimisationConfig, _Problem, optimise
from hands.pose import HandPose, TwoHandPose
from hands.referee import judge

QUICK = OptimisationConfig(iterations=40, settle=30)


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


def test_penetration_goes_and_limits_hold(hands, overlapping):
    before, after = judge(overlapping, hands), judge(optimise(overlapping, hands, QUICK), hands)
    assert min(verdict.max_penetration_mm for verdict in before) > 4
    for old, new in zip(before, after, strict=True):
        assert new.max_penetration_mm < max(2.0, 0.4 * old.max_penetration_mm)
        assert new.limit_excess_deg < 0.01


def test_attraction_closes_a_small_gap(hands):
    (prayer,) = load_gestures(names=("prayer",))
    pose = gesture_pose(prayer, hands[Side.RIGHT], hands[Side.LEFT])
    gap = TwoHandPose(pose.right.moved(torch.tensor([[0.012, 0.0, 0.0]])), pose.left)
    without = OptimisationConfig(iterations=40, settle=30, attraction=(0.0, 0.0))
    before, after, ignored = (
        judge(p, hands)[0] for p in (gap, optimise(gap, hands, QUICK), optimise(gap, hands, without))
    )
    assert before.min_distance_mm > 4 and before.contact_vertices == 0
    assert after.min_distance_mm < 2 and after.contact_vertices > 10 and after.max_penetration_mm < 2
    assert ignored.min_distance_mm > 4


def test_a_pose_ends_the_same_alone_or_in_company(hands, overlapping):
    together = optimise(overlapping, hands, QUICK)
    alone = optimise(overlapping[slice(1, 2)], hands, QUICK)
    for side in Side:
        for name in ("hand_pose", "transl"):
            assert torch.equal(getattr(together.side(side), name)[1:2], getattr(alone.side(side), name))


def test_the_gradient_is_the_slope_of_the_loss(hands, overlapping):
    problem = _Problem(overlapping[slice(0, 1)], hands, QUICK)
    variables = problem.start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(problem.loss(variables, 0).sum(), variables)
    step, slopes = 1e-7, []
    moving = problem.rates.nonzero()[::5, 0]
    for index in moving:
        move = torch.zeros_like(variables)
        move[0, index] = step
        with torch.no_grad():
            slopes.append((problem.loss(variables + move, 1) - problem.loss(variables - move, 1)).item() / (2 * step))
    exact = gradient[0, moving]
    # Nearest vertices change and normals turn with the pose, which the gradient leaves out on purpose.
    assert torch.nn.functional.cosine_similarity(exact, torch.tensor(slopes, dtype=torch.float64), dim=0) > 0.98


def test_wrist_rotations_and_shapes_stay(hands, overlapping):
    done = optimise(overlapping, hands, OptimisationConfig(iterations=3))
    assert torch.equal(done.right.global_orient, overlapping.right.global_orient)
    assert torch.equal(done.left.betas, overlapping.left.betas)


def test_no_iterations_only_bring_the_angles_inside(hands, overlapping):
    done = optimise(overlapping, hands, OptimisationConfig(iterations=0))
    for side in Side:
        angles = hand_pose_to_angles(done.side(side).hand_pose, joint_frames(hands[side]))
        assert limit_excess(angles).abs().max() < 1e-5
        assert torch.allclose(done.side(side).transl, overlapping.side(side).transl)


def test_the_schedule_rises_and_falls_until_it_settles():
    config = OptimisationConfig(settle=100, attraction=(0.0, 1.0), penetration=(4.0, 2.0))
    assert config.weights_at(0) == (0.0, 4.0)
    assert config.weights_at(50) == (0.5, 3.0)
    assert config.weights_at(100) == config.weights_at(500) == (1.0, 2.0)

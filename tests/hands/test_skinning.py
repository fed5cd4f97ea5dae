"""The kernels that pose hands, against the hand layer and its automatic slopes."""

import pytest
import torch

from hands.anatomy import angles_to_rotations, joint_frames
from hands.joints import Side
from hands.model import HandModel
from hands.objective import ANGLES
from hands.parts import subdivide
from hands.rotations import axis_angle_to_matrix
from tests.hands.posed import objective, varied_gestures, with_correctives


def by_the_layer(poses, hands, variables: torch.Tensor) -> torch.Tensor:
    """The same surfaces by `HandModel`, float64."""
    surfaces = []
    for h, side in enumerate(Side):
        model, given = HandModel(hands[side].arrays, torch.float64), poses.side(side).to(torch.float64)
        angles = variables[:, h, :ANGLES].unflatten(-1, (15, 3))
        local = angles_to_rotations(angles, joint_frames(model))
        rotations = torch.cat([axis_angle_to_matrix(given.global_orient)[:, None], local], dim=1)
        surfaces.append(model.pose_with_rotations(rotations, given.betas, variables[:, h, ANGLES:]).vertices)
    return torch.stack(surfaces, dim=1)


@pytest.fixture(params=["free hand", "with correctives"])
def model(request, hands, generator):
    return hands if request.param == "free hand" else with_correctives(hands, generator)


def test_surfaces_and_slopes_are_the_layers(hands, model, generator):
    poses = varied_gestures(hands, 1, 60, ("clasp", "prayer", "steeple"))
    problem = objective(poses, model)
    variables = problem.start + torch.as_tensor(generator.normal(0, 0.05, problem.start.shape))  # twists included
    forces = torch.as_tensor(generator.normal(size=(3, 2, 778, 3)))
    results = []
    for surfaces in (lambda v: problem.surfaces(v).vertices[:, :, :778], lambda v: by_the_layer(poses, model, v)):
        leaf = variables.clone().requires_grad_()
        vertices = surfaces(leaf)
        results.append((vertices.detach(), *torch.autograd.grad((vertices * forces).sum(), leaf)))
    (ours, our_slope), (theirs, their_slope) = results
    assert (ours - theirs).abs().max() < 1e-12
    assert (our_slope - their_slope).abs().max() < 1e-10 * their_slope.abs().max()


def test_float32_is_within_a_tenth_of_a_micrometre(hands):
    poses = varied_gestures(hands, 1, 60, ("clasp", "prayer", "steeple"))
    single, double = (objective(poses, hands, real) for real in (torch.float32, torch.float64))
    difference = single.surfaces(single.start).vertices - double.surfaces(double.start).vertices
    assert difference.abs().max() < 2e-7


def test_fan_centres_are_near_the_middles_of_their_rings(hands):
    problem = objective(varied_gestures(hands, 1, 0, ("clasp",)), hands)
    vertices = problem.surfaces(problem.start).vertices[0, 0]
    for joint, ring in enumerate(subdivide(hands[Side.RIGHT].arrays).rings):
        assert (vertices[778 + joint] - vertices[ring].mean(0)).norm() < 2e-3


def test_a_pose_is_the_same_bits_in_any_batch(hands, model):
    poses = varied_gestures(hands, 1, 60)
    together, alone = (objective(p, model, torch.float32) for p in (poses, poses[slice(7, 8)]))
    assert torch.equal(together.surfaces(together.start).vertices[7], alone.surfaces(alone.start).vertices[0])

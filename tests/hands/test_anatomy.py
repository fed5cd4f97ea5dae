"""Joint angles: their meaning, their inverse, and the loss on their limits."""

import math

import numpy as np
import pytest
import torch

from hands.anatomy import (
    BEND,
    LIMITS_DEGREES,
    SPLAY,
    TWIST,
    anatomy_loss,
    angles_to_hand_pose,
    angles_to_rotations,
    hand_pose_to_angles,
    joint_frames,
    limit_excess,
    limits,
    movable,
    palm_frame,
    rotations_to_angles,
)
from hands.joints import FINGER_JOINTS, TIP_VERTICES, Side
from hands.model import HandModel

SIDES = pytest.mark.parametrize("side", Side)
FOUR = ("index", "middle", "ring", "pinky")


@pytest.fixture(scope="module")
def exact(hands) -> dict[Side, HandModel]:
    """The hands in double precision."""
    return {side: HandModel(model.arrays, torch.float64) for side, model in hands.items()}


def pose(model: HandModel, angles: torch.Tensor) -> torch.Tensor:
    """Vertices of the mean hand with these joint angles."""
    zero = torch.zeros(len(angles), 10, dtype=torch.float64)
    return model(zero[:, :3], angles_to_hand_pose(angles, joint_frames(model)), zero, zero[:, :3]).vertices


def random_angles(generator: np.random.Generator, batch: int, splay: float = 1.5) -> torch.Tensor:
    """Bend and twist over the whole circle, splay up to `splay` radians."""
    widest = torch.tensor([math.pi - 1e-3, splay, math.pi - 1e-3], dtype=torch.float64)
    return torch.from_numpy(generator.uniform(-1, 1, size=(batch, 15, 3))) * widest


def within_limits(generator: np.random.Generator, batch: int) -> torch.Tensor:
    low, high = limits(torch.float64)
    return low + torch.from_numpy(generator.random((batch, 15, 3))) * (high - low)


@SIDES
def test_palm_frame_of_the_flat_hand(exact, side: Side) -> None:
    frame = palm_frame(exact[side])
    axes = torch.stack([frame.distal, frame.palmar, frame.radial])
    torch.testing.assert_close(axes @ axes.T, torch.eye(3, dtype=torch.float64))
    outwards = -1.0 if side is Side.RIGHT else 1.0
    expected = torch.tensor([[outwards, 0, 0], [0, -1, 0], [0, 0, 1]], dtype=torch.float64)
    assert ((axes * expected).sum(1) > 0.95).all()


@SIDES
def test_joint_frames_are_rotations_with_the_bone_as_twist_axis(exact, side: Side) -> None:
    model = exact[side]
    frames = joint_frames(model)
    torch.testing.assert_close(frames @ frames.mT, torch.eye(3, dtype=torch.float64).expand(15, 3, 3))
    torch.testing.assert_close(torch.linalg.det(frames), torch.ones(15, dtype=torch.float64))
    for root, middle, end in FINGER_JOINTS.values():
        for joint, after in ((root, middle), (middle, end)):
            bone = torch.nn.functional.normalize(model.joint_template[after] - model.joint_template[joint], dim=0)
            assert abs(abs(float(frames[joint - 1, :, 0] @ bone)) - 1) < 1e-9


@SIDES
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
def test_angles_to_rotations_and_back(exact, generator, side: Side, batch: int) -> None:
    frames = joint_frames(exact[side])
    for angles in (within_limits(generator, batch), random_angles(generator, batch)):
        torch.testing.assert_close(rotations_to_angles(angles_to_rotations(angles, frames), frames), angles)
        torch.testing.assert_close(hand_pose_to_angles(angles_to_hand_pose(angles, frames), frames), angles)


@SIDES
def test_every_rotation_has_angles(exact, generator, side: Side) -> None:
    """Also with splay beyond 90 degrees, where the angles differ but the rotation is the same."""
    frames = joint_frames(exact[side])
    rotations = angles_to_rotations(random_angles(generator, 20, splay=math.pi), frames)
    again = angles_to_rotations(rotations_to_angles(rotations, frames), frames)
    torch.testing.assert_close(again, rotations, atol=1e-9, rtol=0)


@SIDES
def test_a_row_does_not_depend_on_its_batch(exact, generator, side: Side) -> None:
    frames = joint_frames(exact[side])
    angles = random_angles(generator, 3)
    together = angles_to_rotations(angles, frames)
    for row in range(3):
        torch.testing.assert_close(angles_to_rotations(angles[row], frames), together[row])


@SIDES
def test_zero_angles_are_the_flat_hand(exact, side: Side) -> None:
    angles = torch.zeros(2, 15, 3, dtype=torch.float64)
    assert angles_to_hand_pose(angles, joint_frames(exact[side])).abs().max() < 1e-12
    torch.testing.assert_close(pose(exact[side], angles)[0], exact[side].v_template)


def test_equal_angles_make_mirrored_hands(exact, generator) -> None:
    angles = torch.cat([within_limits(generator, 4), random_angles(generator, 4)])
    flip = torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    torch.testing.assert_close(pose(exact[Side.LEFT], angles), pose(exact[Side.RIGHT], angles) * flip)


def moved_tip(model: HandModel, joint: int, angle: int, tip: int, radians: float = 0.3) -> torch.Tensor:
    angles = torch.zeros(1, 15, 3, dtype=torch.float64)
    angles[0, joint - 1, angle] = radians
    return pose(model, angles)[0, tip] - model.v_template[tip]


@SIDES
@pytest.mark.parametrize("finger", FOUR)
def test_bend_closes_the_finger(exact, side: Side, finger: str) -> None:
    model, frame = exact[side], palm_frame(exact[side])
    tip = TIP_VERTICES[1 + FOUR.index(finger)]
    for joint in FINGER_JOINTS[finger]:
        moved = moved_tip(model, joint, BEND, tip)
        assert moved @ frame.palmar > 0.8 * moved.norm(), "to the palm's side"
        assert moved @ frame.distal < 0, "and back towards the wrist"


@SIDES
def test_bend_brings_the_thumb_into_the_palm(exact, side: Side) -> None:
    model, tip = exact[side], TIP_VERTICES[0]
    pinky_root = model.joint_template[FINGER_JOINTS["pinky"][0]]
    before = (model.v_template[tip] - pinky_root).norm()
    for joint in FINGER_JOINTS["thumb"]:
        moved = moved_tip(model, joint, BEND, tip)
        assert (model.v_template[tip] + moved - pinky_root).norm() < before - 1e-3


@SIDES
@pytest.mark.parametrize("finger", FOUR)
def test_splay_goes_towards_the_little_finger(exact, side: Side, finger: str) -> None:
    model, frame = exact[side], palm_frame(exact[side])
    moved = moved_tip(model, FINGER_JOINTS[finger][0], SPLAY, TIP_VERTICES[1 + FOUR.index(finger)])
    assert moved @ frame.radial < -0.8 * moved.norm()


@SIDES
def test_twist_leaves_the_next_joint_where_it_is(exact, side: Side) -> None:
    model = exact[side]
    angles = torch.zeros(1, 15, 3, dtype=torch.float64)
    angles[:, :, TWIST] = 0.7 * torch.tensor([1.0, 0, 0], dtype=torch.float64).repeat(5)
    zero = torch.zeros(1, 10, dtype=torch.float64)
    posed = model(zero[:, :3], angles_to_hand_pose(angles, joint_frames(model)), zero, zero[:, :3])
    for root, middle, _ in FINGER_JOINTS.values():
        torch.testing.assert_close(posed.joints[0, [root, middle]], model.joint_template[[root, middle]])


def test_limits_are_table_2() -> None:
    low, high = (bound.rad2deg() for bound in limits(torch.float64))
    ring = [joint - 1 for joint in FINGER_JOINTS["ring"]]
    assert [round(float(x)) for x in low[ring, BEND]] == [-25, -10, -8]
    assert [round(float(x)) for x in high[ring, BEND]] == [70, 100, 90]
    assert [round(float(x)) for x in (low[ring[0], SPLAY], high[ring[0], SPLAY])] == [-25, 15]
    assert int(movable().sum()) == 20 and not movable()[:, TWIST].any()
    assert all(lowest <= 0 <= highest for rows in LIMITS_DEGREES.values() for lowest, highest in rows), (
        "flat is allowed"
    )


def test_loss_is_zero_inside_and_the_squared_excess_outside(generator) -> None:
    inside = within_limits(generator, 50)
    assert anatomy_loss(inside).max() < 1e-28
    _, high = limits(torch.float64)
    outside = high.expand(2, 15, 3).clone()
    outside[1, 4, BEND] += 0.2
    outside[1, 7, TWIST] -= 0.1
    torch.testing.assert_close(anatomy_loss(outside), torch.tensor([0.0, 0.05], dtype=torch.float64))
    assert limit_excess(outside)[1, 7, TWIST].item() == pytest.approx(-0.1)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
def test_loss_of_a_row_is_its_own(generator, batch: int) -> None:
    angles = random_angles(generator, batch)
    alone = torch.cat([anatomy_loss(angles[row : row + 1]) for row in range(batch)])
    torch.testing.assert_close(anatomy_loss(angles), alone)


def test_gradient_of_the_loss(generator) -> None:
    assert torch.autograd.gradcheck(anatomy_loss, random_angles(generator, 2).requires_grad_())


@SIDES
def test_gradient_from_hand_pose_to_loss(exact, generator, side: Side) -> None:
    frames = joint_frames(exact[side])
    hand_pose = torch.from_numpy(generator.normal(size=(2, 45)) * 0.6).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: anatomy_loss(hand_pose_to_angles(p, frames)), hand_pose)


@SIDES
def test_gradient_at_the_flat_hand_is_finite(exact, side: Side) -> None:
    hand_pose = torch.zeros(1, 45, dtype=torch.float64, requires_grad=True)
    hand_pose_to_angles(hand_pose, joint_frames(exact[side])).sum().backward()
    assert hand_pose.grad.isfinite().all() and hand_pose.grad.abs().max() > 0.1

"""Two hands to the network's matrix and back, its scale, and the surfaces it stands for."""

import numpy as np
import pytest
import torch

from dataset.assets.gestures import load_gestures
from hands.gestures import gesture_pose
from hands.joints import JOINTS_21, MANO_JOINTS, Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from models.ihdiff.representation import (
    IDENTITY_6D,
    PackedHands,
    Standard,
    at_origin,
    constant_entries,
    constant_values,
    matrix_to_six,
    pack,
    six_to_matrix,
    surfaces,
    unpack,
)


@pytest.fixture(scope="module")
def exact(hands) -> dict[Side, HandModel]:
    """The free hands in float64."""
    return {side: HandModel(model.arrays, torch.float64) for side, model in hands.items()}


@pytest.fixture(scope="module")
def poses(exact) -> TwoHandPose:
    """Every gesture, by people of all shapes."""
    draws = torch.Generator().manual_seed(1)
    plain = TwoHandPose.stack([gesture_pose(g, exact[Side.RIGHT], exact[Side.LEFT]) for g in load_gestures()])
    betas = torch.randn(2, len(plain), 10, generator=draws, dtype=torch.float64)
    return TwoHandPose(*(_reshaped(plain.side(side), betas[h]) for h, side in enumerate(Side)))


@pytest.fixture(scope="module")
def placed(poses, exact) -> TwoHandPose:
    """The same, turned and moved by up to metres, each pair its own way."""
    draws = torch.Generator().manual_seed(2)
    turns = axis_angle_to_matrix(2 * torch.randn(len(poses), 3, generator=draws, dtype=torch.float64))
    moves = torch.randn(len(poses), 3, generator=draws, dtype=torch.float64)
    return TwoHandPose(*(_moved(poses.side(side), exact[side], turns, moves) for side in Side))


def _reshaped(pose: HandPose, betas: torch.Tensor) -> HandPose:
    return HandPose(pose.global_orient, pose.hand_pose, betas, pose.transl)


def _moved(pose: HandPose, model: HandModel, turns: torch.Tensor, moves: torch.Tensor) -> HandPose:
    """x → turn · x + move for the whole hand, of which MANO turns only what lies around the wrist."""
    rest = model.rest_joints(pose.betas)[:, 0]
    orient = matrix_to_axis_angle(turns @ axis_angle_to_matrix(pose.global_orient))
    place = torch.einsum("bkl,bl->bk", turns, rest + pose.transl) + moves
    return HandPose(orient, pose.hand_pose, pose.betas, place - rest)


def _float(poses: TwoHandPose) -> TwoHandPose:
    return poses.to(torch.float32)


def test_unpacking_gives_the_packed_poses(placed, exact):
    back = unpack(pack(placed, exact), exact)
    for side in Side:
        before, after = placed.side(side), back.side(side)
        for name in ("global_orient", "hand_pose"):
            turns = [axis_angle_to_matrix(getattr(pose, name).unflatten(-1, (-1, 3))) for pose in (before, after)]
            torch.testing.assert_close(turns[1], turns[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(after.transl, before.transl, rtol=0, atol=1e-9)
        assert torch.equal(after.betas, before.betas)
        surface = [pose.pose(exact[side]).vertices for pose in (before, after)]
        torch.testing.assert_close(surface[1], surface[0], rtol=0, atol=1e-7)


def test_in_float32_a_micrometre_stays_or_less(placed, hands):
    poses = _float(placed)
    back = unpack(pack(poses, hands), hands)
    for side in Side:
        before, after = (p.side(side).pose(hands[side]).vertices for p in (poses, back))
        assert (before - after).norm(dim=-1).median() < 1e-6
        assert (before - after).norm(dim=-1).max() < 5e-6  # metres away from the origin a coordinate has 7 digits


def test_the_matrix_is_the_same_wherever_the_hands_are(poses, placed, exact):
    here, there = pack(poses, exact), pack(placed, exact)
    torch.testing.assert_close(there.x, here.x, rtol=0, atol=1e-9)
    assert not torch.allclose(there.placement.wrist, here.placement.wrist, atol=0.1)


def test_every_row_says_where_its_joint_is_and_how_it_turns(placed, exact):
    packed, some = pack(placed, exact), [0, 17, len(placed) - 1]
    right = placed.right.pose(exact[Side.RIGHT])
    wrist, axes = right.joints[some, 0].numpy(), axis_angle_to_matrix(placed.right.global_orient[some]).numpy()
    for h, side in enumerate(Side):
        pose = placed.side(side)
        joints = exact[side].joints_21(pose.pose(exact[side]))[some].numpy()
        turns = axis_angle_to_matrix(pose.hand_pose.unflatten(-1, (15, 3)))[some].numpy()
        orient = axis_angle_to_matrix(pose.global_orient[some]).numpy()
        for b in range(len(some)):
            rows = packed.x[some[b], 21 * h : 21 * h + 21].numpy()
            for row, name in enumerate(JOINTS_21):
                np.testing.assert_allclose(rows[row, :3], axes[b].T @ (joints[b, row] - wrist[b]), atol=1e-9)
                if name == "wrist":
                    turn = axes[b].T @ orient[b]
                else:
                    turn = np.eye(3) if name.endswith("tip") else turns[b, MANO_JOINTS.index(name) - 1]
                np.testing.assert_allclose(rows[row, 3:], [*turn[:, 0], *turn[:, 1]], atol=1e-9)


def test_the_left_wrist_lies_where_it_was_made_to_lie(exact):
    """Left wrist 20 cm along x of the right one's axes, turned by a quarter about z: written down by hand."""
    zeros = torch.zeros(1, 45, dtype=torch.float64)
    tall = torch.tensor([[0.0, 0.0, np.pi / 2]], dtype=torch.float64)  # the right hand's x axis is the world's y axis
    rest = {side: exact[side].joint_template[:1] for side in Side}
    mean = zeros[:, :10]
    right = HandPose(tall, zeros, mean, -rest[Side.RIGHT])
    left = HandPose(2 * tall, zeros, mean, torch.tensor([[0.0, 0.2, 0.0]], dtype=torch.float64) - rest[Side.LEFT])
    packed = pack(TwoHandPose(right, left), exact)
    expected = torch.tensor([0.2, 0, 0, 0, 1, 0, -1, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(packed.x[0, 21], expected, rtol=0, atol=1e-9)


def test_constant_entries_are_the_same_to_the_last_bit(placed, hands):
    x, constant = pack(_float(placed), hands).x, constant_entries()
    assert constant.sum() == 9 + 2 * 5 * 6
    assert torch.equal(x[:, constant], constant_values()[constant].expand(len(x), -1))
    assert (x.std(0)[~constant] > 0).all()
    assert constant_values()[0].tolist() == [0, 0, 0, *IDENTITY_6D]
    assert not constant_values()[~constant].any()


def test_surfaces_are_the_posed_hands_seen_from_the_right_wrist(placed, exact):
    packed = pack(placed, exact)
    seen = surfaces(packed.x, packed.betas, exact)
    orient, wrist = packed.placement
    for side, surface in zip(Side, (seen.right, seen.left), strict=True):
        world = placed.side(side).pose(exact[side]).vertices
        expected = torch.einsum("bkl,bvk->bvl", orient, world - wrist[:, None])
        torch.testing.assert_close(surface, expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(seen.joints, packed.x[..., :3], rtol=0, atol=1e-7)
    assert torch.equal(seen.both, torch.cat([seen.right, seen.left], dim=1))


def test_hands_at_the_origin_are_their_surfaces(placed, exact):
    packed = pack(placed, exact)
    poses = unpack(at_origin(packed.x, packed.betas), exact)
    seen = surfaces(packed.x, packed.betas, exact)
    for side, surface in zip(Side, (seen.right, seen.left), strict=True):
        torch.testing.assert_close(poses.side(side).pose(exact[side]).vertices, surface, rtol=0, atol=1e-7)


def test_slopes_reach_both_arguments_of_surfaces(placed, exact):
    """Against finite differences; columns are no unit vectors, as the network's are none."""
    draws = torch.Generator().manual_seed(3)
    packed = pack(placed[:1], exact)
    x = packed.x + 0.05 * torch.randn(packed.x.shape, generator=draws, dtype=torch.float64)
    x, betas = x.requires_grad_(), packed.betas.clone().requires_grad_()

    def look(x: torch.Tensor, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = surfaces(x, betas, exact)
        return seen.both[:, ::150], seen.joints

    assert torch.autograd.gradcheck(look, (x, betas), eps=1e-6, atol=1e-6, fast_mode=True)
    both, joints = look(x, betas)
    slope_x, slope_betas = torch.autograd.grad(both.square().sum() + joints.square().sum(), (x, betas))
    assert slope_betas.abs().min() > 0
    assert slope_x[0, 21, :3].abs().min() > 0  # the left wrist carries its hand
    assert not slope_x[0, 22:, :3].any()  # other joints' places come from the model, not from the matrix


def test_six_numbers_become_the_rotation_of_their_columns(draws):
    six = torch.randn(200, 6, generator=draws, dtype=torch.float64)
    ours = six_to_matrix(six).numpy()
    columns = six.unflatten(-1, (2, 3)).mT.numpy()
    q, r = np.linalg.qr(columns)  # Gram–Schmidt but for signs
    q = q * np.sign(np.einsum("bii->bi", r))[:, None]
    np.testing.assert_allclose(ours[..., :2], q, atol=1e-9)
    np.testing.assert_allclose(ours[..., 2], np.cross(q[..., 0], q[..., 1]), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(ours), 1, atol=1e-9)


def test_rotations_survive_their_six_numbers(draws):
    turns = axis_angle_to_matrix(3 * torch.randn(200, 3, generator=draws, dtype=torch.float64))
    six = matrix_to_six(turns)
    assert torch.equal(six, torch.cat([turns[..., 0], turns[..., 1]], dim=-1))
    torch.testing.assert_close(six_to_matrix(six), turns, rtol=0, atol=1e-12)


def test_six_numbers_without_direction_stay_numbers():
    assert six_to_matrix(torch.zeros(2, 6)).isfinite().all()
    assert six_to_matrix(torch.tensor([[1.0, 0, 0, 2, 0, 0]])).isfinite().all()


def test_the_scale_makes_mean_0_and_deviation_1_and_comes_back(placed, hands):
    x, constant = pack(_float(placed), hands).x, constant_entries()
    standard = Standard.of(x)
    scaled = standard.scale(x)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(42, 9), rtol=0, atol=1e-5)
    torch.testing.assert_close(scaled.std(0, correction=0)[~constant], torch.ones(int((~constant).sum())))
    assert not scaled[:, constant].any()
    torch.testing.assert_close(standard.restore(scaled), x, rtol=0, atol=1e-6)
    assert torch.equal(standard.std[constant], torch.ones(int(constant.sum())))


def test_the_scale_of_one_pair_comes_back_too(placed, hands):
    x = pack(_float(placed[:1]), hands).x
    standard = Standard.of(x)
    assert torch.equal(standard.std, torch.ones(42, 9))
    other = pack(_float(placed[1:2]), hands).x
    torch.testing.assert_close(standard.restore(standard.scale(other)), other, rtol=0, atol=1e-6)


def test_raw_scales_nothing_but_what_never_varies(draws):
    x, constant = torch.randn(3, 42, 9, generator=draws), constant_entries()
    x[:, constant] = constant_values()[constant]
    scaled = Standard().scale(x)
    assert torch.equal(scaled[:, ~constant], x[:, ~constant]) and (scaled[:, constant] == 0).all()
    assert torch.equal(Standard().restore(scaled), x)
    astray = Standard().restore(scaled + 1)
    assert torch.equal(astray[:, constant], x[:, constant]) and torch.equal(astray[:, ~constant], x[:, ~constant] + 1)


def test_the_scale_is_kept_with_the_weights(placed, hands):
    standard, again = Standard.of(pack(_float(placed), hands).x), Standard()
    again.load_state_dict(standard.state_dict())
    assert torch.equal(again.mean, standard.mean)
    assert torch.equal(again.std, standard.std)


def test_a_batch_of_one_is_packed_as_in_a_batch_of_many(placed, exact):
    all_of_them, one = pack(placed, exact), pack(placed[7:8], exact)
    torch.testing.assert_close(one.x[0], all_of_them.x[7], rtol=0, atol=1e-12)
    assert isinstance(one, PackedHands)

"""The collision search: solids whose targets are known, the same rules written with Embree, slopes, batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from benchmarks.collision import EmbreeCollision
from hands.anatomy import BEND, angles_to_hand_pose, joint_frames
from hands.joints import FINGER_JOINTS, Side
from hands.model import HandArrays, HandModel
from hands.pose import TwoHandPose
from hands.ray_collision import RayCollision, Targets, colliding, collision_loss
from hands.referee import contains
from hands.rotations import axis_angle_to_matrix
from tests.hands.posed import varied_gestures

DEPTH, HEIGHT, TIP = 0.005, 0.025, 15
"""How deep the spike's tip is in the box, how long the spike is (metres), and the tip among the vertices of both."""


def surfaces(hands: dict[Side, HandModel], poses: TwoHandPose) -> tuple[torch.Tensor, torch.Tensor]:
    right, left = (
        hands[side](*(poses.side(side).__dict__[name] for name in ("global_orient", "hand_pose", "betas", "transl")))
        for side in Side
    )
    return right.vertices, left.vertices


@pytest.fixture(scope="module")
def pairs(hands):
    """32 pairs, most of them in each other: right and left surfaces."""
    right, left = surfaces(hands, varied_gestures(hands, 1, 40))
    return right[:32], left[:32]


@pytest.fixture(scope="module", params=[False, True], ids=["repaired", "literal"])
def search(request, hands) -> RayCollision:
    return RayCollision.build(hands, 32, literal=request.param)


@pytest.fixture(scope="module")
def repaired(hands) -> RayCollision:
    return RayCollision.build(hands, 32)


def solid(side: Side, vertices: np.ndarray, faces: np.ndarray) -> HandModel:
    """Any open surface of eight vertices in the place of a hand."""
    zeros = lambda *shape: np.zeros((8, *shape))  # noqa: E731
    regressor, mean, components = np.zeros((16, 8)), np.zeros(45), np.zeros((45, 45))
    return HandModel(
        HandArrays(side, vertices, faces, zeros(3, 10), zeros(3, 135), zeros(16), regressor, mean, components)
    )


@pytest.fixture(scope="module")
def solids() -> dict[Side, HandModel]:
    """A box of 6 x 6 x 8 cm, open below, its top at z = 0, and a spike that points down with its tip at 0, open above."""
    box = trimesh.creation.box((0.06, 0.06, 0.08))
    box.apply_translation((0, 0, -0.04))
    faces = box.faces[box.face_normals[:, 2] > -0.5]
    around = 2 * np.pi * np.arange(7) / 7
    ring = np.stack([0.01 * np.cos(around), 0.01 * np.sin(around), np.full(7, HEIGHT)], axis=1)
    sides = np.array([[7, (i + 1) % 7, i] for i in range(7)])
    spike = np.concatenate([ring, np.zeros((1, 3))])
    return {Side.RIGHT: solid(Side.RIGHT, box.vertices, faces), Side.LEFT: solid(Side.LEFT, spike, sides)}


def stuck(solids, depth: float, turn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Box and spike, its tip so deep below a point of the top that is in no special place, all turned."""
    place = torch.tensor([0.004, 0.007, -depth], dtype=torch.float64)
    box, spike = solids[Side.RIGHT].v_template.double(), solids[Side.LEFT].v_template.double() + place
    return (box @ turn.T)[None], (spike @ turn.T)[None]


TURNS = (torch.zeros(3), torch.tensor([0.4, -1.9, 0.7]))


@pytest.mark.parametrize("turn", TURNS, ids=["upright", "turned"])
@pytest.mark.parametrize("literal", [False, True])
def test_a_spike_in_a_box_is_measured_to_the_boxs_top(solids, literal, turn):
    search = RayCollision.build(solids, 1, literal=literal)
    turn = axis_angle_to_matrix(turn.double()[None])[0]
    right, left = stuck(solids, DEPTH, turn)
    offsets = search.offsets(right, left)
    down = -turn[:, 2]
    assert torch.allclose(offsets[0, TIP], DEPTH * down, atol=1e-8)
    assert (offsets[0, :TIP] == 0).all(), "no other vertex is in the other solid"
    assert torch.allclose(collision_loss(offsets), DEPTH * down.abs().sum()[None], atol=1e-7)
    assert colliding(offsets).sum() == 1 and colliding(offsets, 0.006).sum() == 0
    targets = search.find(right, left)
    corners = search.close(right, left)[0, search.faces[targets.face[0, TIP + 1]]]
    place = (targets.shares[0, TIP + 1][:, None] * corners).sum(0)
    assert torch.allclose(place, turn @ torch.tensor([0.004, 0.007, 0.0]).double(), atol=1e-8)


@pytest.mark.parametrize("turn", TURNS, ids=["upright", "turned"])
def test_to_the_letter_a_deep_spike_goes_no_farther_than_its_own_far_side(solids, turn):
    """The whole spike is in the box: 25 mm to its own open end, now closed, 30 mm to the top of the box."""
    turn = axis_angle_to_matrix(turn.double()[None])[0]
    for literal, depth, own in ((False, 0.03, False), (True, HEIGHT, True)):
        search = RayCollision.build(solids, 1, literal=literal)
        right, left = stuck(solids, 0.03, turn)
        assert torch.allclose(search.offsets(right, left)[0, TIP], -depth * turn[:, 2], atol=1e-8)
        face = search.faces[search.find(right, left).face[0, TIP + 1]]
        assert (face >= 9).all() if own else (face < 9).all()


def test_slopes_push_the_tip_and_the_box_apart(solids):
    right, left = stuck(solids, DEPTH, torch.eye(3, dtype=torch.float64))
    right, left = right.requires_grad_(), left.requires_grad_()
    search = RayCollision.build(solids, 1)
    on_box, on_spike = torch.autograd.grad(collision_loss(search.offsets(right, left)).sum(), (right, left))
    assert on_spike[0, -1, 2] == -1 and (on_spike[0, :-1] == 0).all(), "deeper is worse by as much"
    assert torch.isclose(on_box[0, :, 2].sum(), torch.ones((), dtype=torch.float64)) and (on_box[0, :, 2] >= 0).all()
    assert (on_box[0, :, 2] > 0).sum() == 3, "three corners of one face share the slope"


def test_decisions_are_those_of_embree(search, pairs):
    few = [hand[::4] for hand in pairs]
    closed = search.close(*few).double().numpy()
    reference = EmbreeCollision(search.faces.numpy(), closed.shape[1], search.literal)
    expected = torch.as_tensor(np.stack([reference(vertices) for vertices in closed]))
    found = search.find(*few).face
    assert (expected >= 0).sum() > 500
    assert (found == expected).float().mean() >= 0.999
    assert (found == expected)[expected >= 0].float().mean() >= 0.99


def parts_of(search: RayCollision, h: int) -> tuple[slice, torch.Tensor]:
    """Where one hand's own vertices are in a closed pair, and its faces counted within the hand."""
    half = search.points.shape[1] // 2
    return slice(h * half, (h + 1) * half - 1), search.faces[search.faces[:, 0] // half == h] - h * half


def in_the_other(search: RayCollision, closed: torch.Tensor) -> torch.Tensor:
    """Which vertices the other hand encloses, by pysdf."""
    inside = torch.zeros(closed.shape[:2], dtype=torch.bool)
    for row, vertices in enumerate(closed):
        for h, other in enumerate(vertices.chunk(2)[::-1]):
            inside[row, parts_of(search, h)[0]] = contains(
                vertices[parts_of(search, h)[0]], other, parts_of(search, 1 - h)[1]
            )
    return inside


def on_the_other(search: RayCollision, face: torch.Tensor) -> torch.Tensor:
    """Which targets lie on the hand that is not the vertex's own."""
    width = search.points.shape[1]
    hand = search.faces[face.clamp_min(0), 0] // (width // 2)
    return (face >= 0) & (hand != torch.arange(width) // (width // 2))


def test_the_repaired_rule_leads_out_of_the_other_hand_and_only_from_inside(repaired, pairs):
    inside, there = in_the_other(repaired, repaired.close(*pairs)), on_the_other(repaired, repaired.find(*pairs).face)
    assert inside.sum() > 1000
    assert (inside == there).float().mean() > 0.999


def test_to_the_letter_many_of_these_go_to_their_own_far_side_and_none_when_repaired(hands, repaired, pairs):
    literal = RayCollision.build(hands, 32, literal=True)
    inside = in_the_other(repaired, repaired.close(*pairs))
    own = {}
    for search in (repaired, literal):
        face = search.find(*pairs).face
        own[search.literal] = float((inside & (face >= 0) & ~on_the_other(search, face)).sum() / inside.sum())
    assert own[False] < 0.005 and own[True] > 0.15


def with_fixed(search: RayCollision, targets: Targets, right: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """The loss of each pair, float64, its targets' faces and places held."""
    closed = search.close(right, left)
    total = torch.zeros(len(closed), dtype=closed.dtype)
    for row, vertex in (targets.face >= 0).nonzero().tolist():
        corners = closed[row, search.faces[targets.face[row, vertex]]]
        total[row] += (closed[row, vertex] - targets.shares[row, vertex] @ corners).abs().sum()
    return total


def test_slopes_are_finite_differences(search, pairs, generator):
    deepest = collision_loss(search.offsets(*pairs)).argsort(descending=True)[:4]
    hands = [hand[deepest].double().requires_grad_() for hand in pairs]
    targets = search.find(*hands)
    slopes = torch.autograd.grad(collision_loss(search.offsets(*hands)).sum(), hands)
    moves = [torch.as_tensor(generator.normal(size=hand.shape)) for hand in hands]
    with torch.no_grad():
        shifted = [[hand + step * move for hand, move in zip(hands, moves, strict=True)] for step in (1e-9, -1e-9)]
        ahead, behind = (with_fixed(search, targets, *both) for both in shifted)
    expected = sum((slope * move).sum((1, 2)) for slope, move in zip(slopes, moves, strict=True))
    assert (expected.abs() > 0.1).all()
    assert torch.allclose((ahead - behind) / 2e-9, expected, rtol=1e-4, atol=1e-4)
    assert all((slope.abs().amax((1, 2)) > 0).all() for slope in slopes), "both surfaces are pushed"


def test_a_step_down_the_slope_lessens_the_loss(repaired, pairs):
    """Hands moved as they are. Now and then a target jumps: not each of the losses must fall, but most and their sum."""
    right, left = (hand.double() for hand in pairs)
    shift = torch.zeros(32, 1, 3, dtype=torch.float64, requires_grad=True)
    before = collision_loss(repaired.offsets(right + shift, left - shift))
    (slope,) = torch.autograd.grad(before.sum(), shift)
    step = 2e-4 * torch.nn.functional.normalize(slope, dim=-1)
    after = collision_loss(repaired.offsets(right - step, left + step))
    deep = before > 0.3
    assert deep.sum() >= 10
    assert (after < before)[deep].float().mean() > 0.8 and after[deep].sum() < before[deep].sum()


def test_a_pair_is_the_same_alone_and_in_any_batch(search, hands, pairs):
    together = search.find(*pairs)
    assert (together.face >= 0).sum() > 1000
    small = RayCollision.build(hands, 5, literal=search.literal)
    for found, rows in (
        (search.find(*(hand[7:8] for hand in pairs)), slice(7, 8)),
        (small.find(*(hand[:12] for hand in pairs)), slice(0, 12)),
        (search.find(*(hand[:0] for hand in pairs)), slice(0, 0)),
    ):
        assert torch.equal(found.face, together.face[rows]) and torch.equal(found.shares, together.shares[rows])


def test_where_the_hands_are_in_the_world_changes_nothing(search, pairs):
    right, left = (hand[:8].double() for hand in pairs)
    there = torch.tensor([3.0, -2.0, 1.0], dtype=torch.float64)
    assert torch.equal(search.find(right, left).face, search.find(right + there, left + there).face)


def test_a_pair_of_no_numbers_troubles_no_other(search, pairs):
    right, left = (hand[:4].clone() for hand in pairs)
    expected = search.find(right, left).face
    right[1], left[2, 5] = torch.nan, torch.inf
    found = search.find(right, left).face
    assert torch.equal(found[[0, 3]], expected[[0, 3]])


def test_the_middle_of_a_wrist_never_has_a_target(search, pairs):
    half = search.points.shape[1] // 2
    found = search.find(*pairs)
    assert (found.face[:, [half - 1, -1]] == -1).all()
    assert (found.shares[found.face < 0] == 0).all()
    assert torch.allclose(found.shares[found.face >= 0].sum(-1), torch.ones(()), atol=1e-5)


def flat(hands: dict[Side, HandModel], apart: float, bent: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat hands with their wrists so far apart; the right index finger bent by so many radians at each joint."""
    shift = torch.tensor([[apart / 2, 0.0, 0.0]])
    angles = torch.zeros(1, 15, 3)
    angles[0, [joint - 1 for joint in FINGER_JOINTS["index"]], BEND] = bent
    pose = angles_to_hand_pose(angles, joint_frames(hands[Side.RIGHT]))
    zeros = torch.zeros(1, 3), torch.zeros(1, 45), torch.zeros(1, 10)
    right = hands[Side.RIGHT](zeros[0], pose, zeros[2], shift)
    return right.vertices, hands[Side.LEFT](*zeros, -shift).vertices


def test_flat_hands_apart_do_not_collide(search, hands):
    assert (search.find(*flat(hands, 0.6)).face == -1).all()
    right, left = (hand.requires_grad_() for hand in flat(hands, 0.6))
    loss = collision_loss(search.offsets(right, left))
    assert loss.item() == 0
    assert torch.autograd.grad(loss.sum(), right)[0].abs().max() == 0


def test_a_finger_bent_through_its_own_palm_collides_with_it(search, hands):
    right, left = flat(hands, 0.6, bent=1.9)
    offsets = search.offsets(right, left)
    assert colliding(offsets)[0, : right.shape[1]].sum() > 10
    assert (offsets[0, right.shape[1] :] == 0).all(), "the other hand is flat and far"


def test_what_cannot_be_searched_is_said(hands, repaired, solids):
    with pytest.raises(ValueError, match="1 or more"):
        RayCollision.build(hands, 0)
    with pytest.raises(ValueError, match="have 8 vertices, the search was built for 778"):
        repaired.find(torch.zeros(1, 8, 3), torch.zeros(1, 8, 3))
    spike = solids[Side.LEFT].arrays
    with pytest.raises(ValueError, match="one topology"):
        RayCollision.build({Side.RIGHT: hands[Side.RIGHT], Side.LEFT: HandModel(replace(spike))}, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_decides_as_the_cpu_does(search, hands, pairs):
    there = RayCollision.build(hands, 32, "cuda", search.literal)
    found, expected = there.find(*(hand.cuda() for hand in pairs)), search.find(*pairs)
    assert (found.face.cpu() == expected.face).float().mean() > 0.9999
    right, left = (hand.cuda().requires_grad_() for hand in pairs)
    loss = collision_loss(there.offsets(right, left))
    assert torch.allclose(loss.cpu(), collision_loss(search.offsets(*pairs)), rtol=1e-3)
    assert torch.autograd.grad(loss.sum(), right)[0].abs().max() > 0

"""The baseline: both grids agree, the losses are what they say, and whole optimisations take penetration away."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from benchmarks.released.contact_pairs import build_pairs, contact_loss, refresh_pairs
from benchmarks.released.losses import edge_loss, ergonomic_loss, norm_loss, quaternion_to_matrix
from benchmarks.released.optimiser import STAGES, Optimisation, Stage, optimise_as_released
from benchmarks.released.timing import Cost, seconds_per_pose_iteration
from benchmarks.released.voxel_sdf import MARGIN, SIZE, Evaluator, brute_force, bvh, penetration_loss, voxels
from dataset.assets.gestures import load_gestures
from hands.anatomy import BEND, SPLAY, TWIST, anatomical_rotations
from hands.augment import AugmentationConfig, augment
from hands.gestures import gesture_pose
from hands.joints import MANO_JOINTS, Side
from hands.mesh import close_wrist
from hands.pose import TwoHandPose
from hands.referee import judge
from hands.rotations import matrix_to_quaternion

DEEP = ("clasp", "fist_in_palm")
"""Gestures whose variation of seed 0 starts with more than 9 mm of penetration."""


@pytest.fixture(scope="module")
def overlapping(hands) -> TwoHandPose:
    """Gestures with offsets up to 30° of bend and 15° of splay."""
    names = list(DEEP)
    gestures = [gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in load_gestures(names=DEEP)]
    return augment(TwoHandPose.stack(gestures), names, hands, AugmentationConfig(1, 30.0, 15.0), seed=0)


@pytest.fixture(scope="module")
def cubes(hands, overlapping) -> tuple[list[torch.Tensor], torch.Tensor, list[float]]:
    """Closed right hands in their cubes, the faces, and half the edge of each cube in metres."""
    closed, faces = close_wrist(overlapping.right.pose(hands[Side.RIGHT]).vertices, hands[Side.RIGHT].faces)
    low, high = closed.amin(1, keepdim=True), closed.amax(1, keepdim=True)
    half = MARGIN / 2 * (high - low).amax(-1, keepdim=True)
    return list((closed - (low + high) / 2) / half), faces, half.flatten().tolist()


def as_rotations(joint: str, angle: int, degrees: float) -> torch.Tensor:
    """A flat hand of which one joint is turned."""
    angles = torch.zeros(1, 15, 3, dtype=torch.float64)
    angles[0, MANO_JOINTS.index(joint) - 1, angle] = math.radians(degrees)
    return anatomical_rotations(angles)


def test_both_evaluators_give_the_same_grid(cubes):
    meshes, faces, halves = cubes
    same_sign = []
    for mesh, half, shifted in zip(meshes, halves, (True, False), strict=True):
        points = voxels(shifted)
        slow, fast = brute_force(points, mesh, faces), bvh(points, mesh, faces)
        both = (slow > 0) & (fast > 0)
        assert both.sum() > 500
        assert ((slow - fast)[both].abs() * half).max() < 1e-6
        same_sign.append(((slow > 0) == (fast > 0)).float().mean().item())
    assert np.mean(same_sign) >= 0.9999


def test_the_grid_agrees_with_another_engine(cubes):
    (mesh, *_), faces, _ = cubes
    points = voxels(True)[::5]
    other = trimesh.Trimesh(mesh.double().numpy(), faces.numpy(), process=False)
    inside, ours = other.contains(points.double().numpy()), brute_force(points, mesh, faces)
    assert np.mean(inside == (ours > 0).numpy()) > 0.999
    _, expected, _ = trimesh.proximity.closest_point(other, points[inside].double().numpy())
    assert np.abs(ours[torch.as_tensor(inside)].numpy() - expected).max() < 1e-4


def test_depth_inside_a_box_and_the_shift_of_half_a_voxel():
    box = trimesh.creation.box((0.2, 0.2, 0.2))
    vertices, faces = torch.as_tensor(box.vertices)[None], torch.as_tensor(box.faces)
    node, half = torch.tensor([[[20, 16, 10]]]) * 2 / (SIZE - 1) - 1.0, MARGIN * 0.1
    depth = lambda points: (0.1 - points.abs().amax(-1) * half) / half  # noqa: E731
    for evaluate in (brute_force, bvh):
        straight, shifted = (
            penetration_loss(node.double() * half, vertices, faces, evaluate, s) for s in (False, True)
        )
        assert torch.allclose(4 * straight, depth(node)[:, 0].double(), atol=1e-5)
        assert torch.allclose(4 * shifted, depth(node + 1 / (SIZE - 1))[:, 0].double(), atol=1e-5)
    assert penetration_loss(vertices * 1.3, vertices, faces, bvh, True).item() == 0


def test_four_nearest_opposed_anchors_pair():
    left, up = np.zeros((1, 3)), np.array([[0.0, 0, 1]])
    right = np.array([[0, 0, d] for d in (0.018, 0.003, 0.012, 0.006, 0.001, 0.009)])
    tilted = lambda cosine: [math.sqrt(1 - cosine**2), 0, cosine]  # noqa: E731
    normals = np.array([tilted(c) for c in (-1, -0.61, -1, -1, -0.59, -1)])
    partner, stiffness = build_pairs(left, right, up, normals)
    assert partner.tolist() == [[1, 3, 5, 2]]
    assert np.allclose(
        stiffness, [[0.3 * (0.5 * math.cos(math.pi * d / 0.015) + 0.5) for d in (3e-3, 6e-3, 9e-3, 12e-3)]]
    )
    renewed = refresh_pairs(left, right, np.array([[4, 3, 0, 2]]))
    assert np.allclose(
        renewed, [[0.3 * (0.5 * math.cos(math.pi * d / 0.02) + 0.5) for d in (1e-3, 6e-3, 18e-3, 12e-3)]]
    )
    assert not refresh_pairs(left, right + 0.03, partner).any()


def test_contact_is_averaged_over_the_pairs_that_pull():
    left, right = torch.zeros(2, 1, 3), torch.tensor([[[0.01, 0, 0], [0, 0.02, 0]]]).repeat(2, 1, 1)
    partner = torch.tensor([[[0, 1, 0, 1]], [[1, 0, 0, 0]]])
    stiffness = torch.tensor([[[0.3, 0.1, 0.0, 0.0]], [[0.2, 0.0, 0.0, 0.0]]])
    expected = (0.3 * 1e-4 + 0.1 * 4e-4 + 0.2 * 4e-4) / 3
    assert contact_loss(left, right, partner, stiffness).item() == pytest.approx(expected)
    assert contact_loss(left, right, partner, 0 * stiffness).item() == 0


@pytest.mark.parametrize(
    ("joint", "angle", "degrees", "expected"),
    [
        ("index_1", BEND, 60, 0.0),
        ("index_1", BEND, 80, math.radians(10) ** 2),
        ("index_1", SPLAY, -35, math.radians(10) ** 2),
        ("pinky_3", BEND, -18, math.radians(10) ** 2),
        ("pinky_2", BEND, 40, math.radians(30) ** 2),  # the ring finger does not follow
        ("thumb_2", BEND, -30, 0.0),  # below Table 2's −8°
        ("thumb_2", BEND, -45, math.radians(10) ** 2),
        ("thumb_1", TWIST, 80, 0.0),
        ("thumb_1", TWIST, -80, (math.sin(math.radians(80)) - 0.5) ** 2),
        ("middle_1", TWIST, 30, 0.25 / 4),
        ("ring_3", TWIST, 30, (0.25 + (1 - math.cos(math.radians(30))) ** 2) / 10),
    ],
)
def test_joint_limits(joint, angle, degrees, expected):
    assert ergonomic_loss(as_rotations(joint, angle, degrees)).item() == pytest.approx(expected, abs=1e-9)


def test_slopes_of_the_smooth_terms(cubes):
    generator = torch.Generator().manual_seed(3)
    noise = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    check = torch.autograd.gradcheck
    quaternions = (noise(2, 15, 4) * 0.3 + torch.tensor([1.0, 0, 0, 0])).requires_grad_()
    assert check(norm_loss, quaternions)
    assert check(lambda q: ergonomic_loss(quaternion_to_matrix(q)), quaternions)
    surface, other, rest = noise(2, 6, 3).requires_grad_(), noise(2, 6, 3).requires_grad_(), noise(6, 3)
    assert check(lambda v: edge_loss(v, rest, torch.tensor([[0, 1], [1, 2], [3, 5], [2, 4]])), surface)
    partner, stiffness = torch.randint(6, (2, 6, 4), generator=generator), noise(2, 6, 4).abs()
    assert check(lambda a, b: contact_loss(a, b, partner, stiffness), (surface, other))
    (mesh, *_), faces, _ = cubes
    query = (0.8 * mesh[None, ::40].double()).requires_grad_()
    overlap = lambda q: penetration_loss(q, mesh[None].double(), faces, bvh, True)  # noqa: E731
    assert overlap(query).item() > 0
    assert check(overlap, query)


def test_quaternions_of_any_length_turn_back_into_their_rotation():
    rotation = as_rotations("ring_1", BEND, 50) @ as_rotations("ring_1", SPLAY, 10)
    assert torch.allclose(quaternion_to_matrix(2.5 * matrix_to_quaternion(rotation)), rotation, atol=1e-12)


def test_penetration_goes(hands, overlapping):
    run = Optimisation(overlapping, hands, bvh)
    for stage in STAGES[::2]:  # the second one nearly ignores penetration
        run.begin(stage)
        run.advance(20)
    for before, after in zip(judge(overlapping, hands), judge(run.poses(), hands), strict=True):
        assert before.max_penetration_mm > 9
        assert after.max_penetration_mm < 0.3 * before.max_penetration_mm


def test_the_evaluators_lead_to_the_same_slopes(hands, overlapping):
    slopes = []
    for evaluate in (brute_force, bvh):
        run = Optimisation(overlapping[slice(0, 1)], hands, evaluate)
        run.begin(STAGES[0])
        run.step()
        slopes.append([value.grad for value in (*run.fingers.values(), *run.transl.values())])
    for slow, fast in zip(*slopes, strict=True):
        assert slow.norm() > 1e-4
        assert (slow - fast).norm() < 1e-4 * slow.norm()


def test_stages_follow_each_other(hands, overlapping, monkeypatch):
    begun: list[Stage | None] = []
    used: list[Evaluator] = []
    begin = Optimisation.begin
    monkeypatch.setattr(Optimisation, "begin", lambda run, stage: (begun.append(stage), begin(run, stage)))
    monkeypatch.setattr(Optimisation, "find_pairs", lambda run: begun.append(None) or torch.zeros(2, 1, 4).long())
    monkeypatch.setattr(Optimisation, "renew_pairs", lambda run: torch.zeros(2, 1, 4))
    monkeypatch.setattr(Optimisation, "step", lambda run: used.append(run.evaluate))
    optimise_as_released(overlapping, hands, 50)
    assert begun == [STAGES[0], None]
    assert used == [bvh] * 50
    optimise_as_released(overlapping, hands, sdf="brute")
    assert used[50:] == [brute_force] * 215
    assert begun[2:] == [STAGES[0], None, STAGES[1], STAGES[2], STAGES[3], None]
    assert [stage.steps for stage in STAGES] == [50, 40, 75, 50]


def test_wrist_rotations_and_shapes_stay(hands, overlapping):
    done = optimise_as_released(overlapping, hands, 2)
    assert torch.equal(done.left.global_orient, overlapping.left.global_orient)
    assert torch.equal(done.right.betas, overlapping.right.betas)


def test_finger_poses_miss_the_last_step_of_a_stage(hands, overlapping):
    pose = overlapping[slice(0, 1)]
    kept, mended = (optimise_as_released(pose, hands, 1, as_released=flag) for flag in (True, False))
    assert torch.allclose(kept.right.hand_pose, pose.right.hand_pose, atol=1e-5)
    assert (mended.right.hand_pose - pose.right.hand_pose).abs().max() > 5e-3
    assert (kept.right.transl - pose.right.transl).abs().max() == pytest.approx(1e-4, rel=0.01)


def test_without_steps_the_poses_stay(hands, overlapping):
    still = optimise_as_released(overlapping, hands, iterations=0)
    for side in Side:
        assert torch.allclose(still.side(side).hand_pose, overlapping.side(side).hand_pose, atol=1e-5)
        assert torch.equal(still.side(side).transl, overlapping.side(side).transl)


def test_mirrored_hands_have_the_same_limits(hands, overlapping):
    right = overlapping.right
    flipped = (right.hand_pose.unflatten(-1, (15, 3)) * torch.tensor([1.0, -1.0, -1.0])).flatten(1)
    bent = replace(right, hand_pose=1.5 * right.hand_pose), replace(right, hand_pose=1.5 * flipped)
    run = Optimisation(TwoHandPose(*bent), hands, bvh)
    local = (run.frames[s].mT @ quaternion_to_matrix(run.fingers[s]) @ run.frames[s] for s in Side)
    first, second = (ergonomic_loss(rotations).item() for rotations in local)
    assert first == pytest.approx(second, rel=1e-4)
    assert first > 0.01


def test_timing_uses_brute_force_and_one_thread(hands, overlapping):
    threads = torch.get_num_threads()
    cost = seconds_per_pose_iteration(overlapping[slice(0, 1)], hands, iterations=1)
    assert torch.get_num_threads() == threads
    assert 0.5 * cost.iteration < cost.grids <= cost.iteration
    assert 0 < cost.renewal < cost.iteration and 0 < cost.search < cost.iteration
    assert cost.per_iteration == pytest.approx(cost.iteration + (2 * cost.search + 4 * cost.renewal) / 215)
    assert Cost(1.0, 0.9, 21.5, 0.0).per_iteration == pytest.approx(1.2)

"""The fast signed distance against an exact inside test on overlapping hands."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from hands.anatomy import angles_to_hand_pose, joint_frames, limits
from hands.distance import nearest, signed_distance, vertex_normals
from hands.joints import Side
from hands.model import HandModel

BATCH = 12


def overlapping(hands: dict[Side, HandModel], generator: np.random.Generator) -> dict[Side, torch.Tensor]:
    """Vertices of hands whose palms' centres are up to 4 cm apart, turned anyhow, fingers anywhere within limits."""
    surfaces = {}
    for side, model in hands.items():
        low, high = limits()
        angles = low + torch.from_numpy(generator.random((BATCH, 15, 3))).float() * (high - low)
        turn = torch.from_numpy(Rotation.random(BATCH, random_state=generator).as_rotvec()).float()
        zero = torch.zeros(BATCH, 10)
        posed = model(turn, angles_to_hand_pose(angles, joint_frames(model)), zero, zero[:, :3])
        centre = posed.joints[:, [0, 1, 4, 7, 10]].mean(1)
        shift = torch.from_numpy(generator.uniform(-0.02, 0.02, (BATCH, 3))).float()
        surfaces[side] = posed.vertices - (centre - shift)[:, None]
    return surfaces


def closed(vertices: np.ndarray, faces: np.ndarray) -> trimesh.Trimesh:
    directed = {(int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True)}
    edges = [(a, b) for a, b in directed if (b, a) not in directed]
    centre = vertices[[a for a, _ in edges]].mean(0)
    fan = [(b, a, len(vertices)) for a, b in edges]
    return trimesh.Trimesh(np.vstack([vertices, centre]), np.vstack([faces, fan]), process=False)


def test_inside_calls_are_right(hands, generator) -> None:
    surfaces = overlapping(hands, generator)
    inside, called = [], []
    for side, model in hands.items():
        query, target = surfaces[side.other], surfaces[side]
        distance = signed_distance(query, target, vertex_normals(target, model.faces))
        called.append(distance.numpy() < 0)
        inside.append(
            [closed(t.numpy(), model.arrays.faces).contains(q.numpy()) for q, t in zip(query, target, strict=True)]
        )
    inside, called = np.concatenate(inside).ravel(), np.concatenate(called).ravel()
    assert inside.mean() > 0.05, "the hands do overlap"
    assert called[inside].mean() > 0.9
    assert (~called[~inside]).mean() > 0.9


@pytest.mark.parametrize("side", Side)
def test_depth_under_the_surface(hands, side: Side) -> None:
    """Points a known way below and above each vertex, short of the middle of the thinnest finger."""
    model = hands[side]
    surface = model.v_template[None]
    normals = vertex_normals(surface, model.faces)
    for depth in (-0.002, 0.0, 0.003):
        distance = signed_distance(surface + depth * normals, surface, normals)
        assert (distance - depth).abs().median() < 2e-4
        assert (distance - depth).abs().mean() < 5e-4


@pytest.mark.parametrize("side", Side)
def test_normals_are_those_of_trimesh(hands, side: Side) -> None:
    model = hands[side]
    ours = vertex_normals(model.v_template[None], model.faces)[0].numpy()
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    theirs = trimesh.Trimesh(model.arrays.v_template, model.arrays.faces, process=False).vertex_normals
    assert (ours * theirs).sum(1).mean() > 0.98, "they weigh faces by angle, these by area"


def test_nearest(generator) -> None:
    query, target = (torch.from_numpy(generator.normal(size=(2, n, 3))) for n in (30, 40))
    expected = ((query[:, :, None] - target[:, None]) ** 2).sum(-1).argmin(-1)
    assert torch.equal(nearest(query, target), expected)


def test_far_points_are_outside(hands) -> None:
    """Beyond the open wrist the nearest normal may point away; distance alone decides there."""
    model = hands[Side.RIGHT]
    surface = model.v_template[None]
    far = torch.tensor([[[0.2, 0.0, 0.0], [0.0, 0.0, 0.5], [-0.5, 0.0, 0.0]]])
    distance = signed_distance(far, surface, vertex_normals(surface, model.faces))
    assert (distance > 0.04).all()


def test_both_hands_receive_gradients(hands, generator) -> None:
    surfaces = {side: surface[:1].clone().requires_grad_() for side, surface in overlapping(hands, generator).items()}
    right, left = surfaces[Side.RIGHT], surfaces[Side.LEFT]
    distance = signed_distance(right, left, vertex_normals(left, hands[Side.LEFT].faces))
    (-distance.clamp_max(0)).sum().backward()
    for surface in (right, left):
        assert surface.grad.isfinite().all() and surface.grad.abs().max() > 0
    torch.testing.assert_close(right.grad.sum(1), -left.grad.sum(1), atol=1e-3, rtol=1e-4)
    deeper = right.detach() - 1e-3 * right.grad.sign()
    after = signed_distance(deeper, left.detach(), vertex_normals(left.detach(), hands[Side.LEFT].faces))
    assert (-after.clamp_max(0)).sum() < (-distance.clamp_max(0)).sum(), "the gradient leads out"

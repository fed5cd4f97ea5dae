"""All vertices from the finest nodes: what the matrix is, and how well it does on hands that it has not seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dataset.assets.gestures import load_gestures
from hands.anatomy import hand_pose_to_angles, joint_frames, limit_excess
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.model import HandModel
from models.transhand.levels import MeshLevels
from models.transhand.upsampling import fitted, meshes_of, residuals, sampled_surfaces


def test_rows_sum_to_one(meshes):
    torch.testing.assert_close(meshes.upsampling.sum(1), torch.ones(778), atol=1e-5, rtol=0)


def test_hands_that_it_was_not_fitted_to_come_back(meshes, hands):
    assert meshes.residual[0] < 1e-4 and meshes.residual[1] < 1e-3  # a tenth of a millimetre, a millimetre
    poses = [gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT]) for gesture in load_gestures()[:6]]
    for side in Side:
        vertices = torch.cat([pose.side(side).pose(hands[side]).vertices for pose in poses])
        apart = (meshes.upsampling @ meshes.pool(vertices) - vertices).norm(dim=-1)
        assert apart.mean() < 1e-4 and apart.max() < 1e-3


def test_the_residual_is_the_mean_and_the_largest_distance(meshes, hands, draws):
    surfaces = [sampled_surfaces(hands[Side.LEFT], count, draws) for count in (3, 5)]
    apart = (meshes.upsampling @ meshes.pool(torch.cat(surfaces)) - torch.cat(surfaces)).norm(dim=-1)
    found = residuals(meshes.upsampling, meshes.levels, iter(surfaces)).float()
    torch.testing.assert_close(found, torch.stack([apart.mean(), apart.max()]), atol=1e-6, rtol=0)


def test_it_is_the_minimum_under_the_constraint(draws):
    """Against the optimality system with multipliers, solved by NumPy for every vertex from all samples at once."""
    levels = MeshLevels.of(np.array([[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]]), 6, halvings=3)
    surfaces = torch.randn(20, 6, 3, generator=draws).double()
    ridge, found = 0.1, fitted(levels, iter(surfaces.split(7)), 0.1)
    nodes = levels.pool(surfaces).numpy()
    centre = nodes.mean(1, keepdims=True)
    coarse, full = (part.transpose(0, 2, 1).reshape(60, -1) for part in (nodes - centre, surfaces.numpy() - centre))
    normal, count = coarse.T @ coarse, coarse.shape[1]
    strength = ridge * np.trace(normal) / count
    system = np.block(
        [[normal + strength * np.eye(count), np.ones((count, 1))], [np.ones((1, count)), np.zeros((1, 1))]]
    )
    for vertex in range(6):
        leaf = levels.leaves.tolist().index(vertex)
        start = np.eye(count)[leaf // (len(levels.leaves) // count)]
        right = np.concatenate([coarse.T @ full[:, vertex] + strength * start, [1.0]])
        np.testing.assert_allclose(found[vertex].numpy(), np.linalg.solve(system, right)[:-1], atol=1e-10)


def test_where_hands_are_and_how_they_are_turned_does_not_matter(draws):
    levels = MeshLevels.of(np.array([[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]]), 6, halvings=3)
    surfaces = torch.randn(20, 6, 3, generator=draws).double()
    turns = torch.linalg.qr(torch.randn(20, 3, 3, generator=draws).double()).Q  # some of them mirror, too
    moved = surfaces @ turns + 5 * torch.randn(20, 1, 3, generator=draws).double()
    torch.testing.assert_close(fitted(levels, iter([moved]), 0.1), fitted(levels, iter([surfaces]), 0.1))


def test_a_strong_ridge_leaves_vertices_on_their_nodes(hands, draws):
    arrays = hands[Side.RIGHT].arrays
    levels = MeshLevels.of(arrays.faces, 778)
    stiff = fitted(levels, iter([sampled_surfaces(hands[Side.RIGHT], 4, draws)]), 1e9)
    assert torch.allclose(stiff.amax(1), torch.ones(778).double(), atol=1e-6)
    assert (levels.leaves[4 * stiff.argmax(1)[:, None] + torch.arange(4)] == torch.arange(778)[:, None]).any(1).all()


def test_sampled_hands_are_within_their_limits_and_differ(hands, draws):
    model, seen = hands[Side.RIGHT], {}
    spy = lambda orient, pose, betas, transl: seen.update(pose=pose, betas=betas) or model(orient, pose, betas, transl)  # noqa: E731
    watched = HandModel(model.arrays)
    watched.forward = spy
    surfaces = sampled_surfaces(watched, 50, draws)
    angles = hand_pose_to_angles(seen["pose"], joint_frames(model))
    assert surfaces.shape == (50, 778, 3) and limit_excess(angles).abs().max() < 1e-4
    assert seen["betas"].abs().max() <= 2 and seen["betas"].std() > 0.7
    assert angles.std(0)[:, 0].min() > 0.2  # radians of bend


def test_one_generator_makes_one_matrix(hands):
    before = torch.get_rng_state()
    levels = MeshLevels.of(hands[Side.RIGHT].arrays.faces, 778)
    first, same, other = (
        fitted(levels, iter([sampled_surfaces(hands[Side.RIGHT], 10, torch.Generator().manual_seed(seed))]), 1e-3)
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_hands_of_two_surfaces_are_refused(hands, draws):
    odd = replace(hands[Side.LEFT].arrays, faces=hands[Side.LEFT].arrays.faces[5:], uv_faces=None)
    with pytest.raises(ValueError, match="not one surface and its mirror image"):
        meshes_of(hands | {Side.LEFT: HandModel(odd)}, draws, 10)

"""The tree over a surface: what it must be for any triangles, and what the network takes from it."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hands.joints import Side
from models.transhand.levels import FINEST, Meshes, MeshLevels
from models.two_hand_metrics.surface_joints import surface_joints, surface_regressor


def sphere() -> tuple[np.ndarray, int]:
    mesh = trimesh.creation.icosphere(3)
    return np.asarray(mesh.faces), len(mesh.vertices)


def two_boxes() -> tuple[np.ndarray, int]:
    """A surface in two pieces, and a vertex that no face has."""
    faces = np.asarray(trimesh.creation.box().faces)
    return np.concatenate([faces, faces + 8]), 17


@pytest.fixture(params=["hand", "sphere", "two boxes"])
def surface(request, hands) -> tuple[np.ndarray, int]:
    if request.param == "hand":
        arrays = hands[Side.RIGHT].arrays
        return arrays.faces, len(arrays.v_template)
    return {"sphere": sphere, "two boxes": two_boxes}[request.param]()


def test_every_vertex_has_one_leaf_and_sizes_double(surface):
    faces, vertices = surface
    levels = MeshLevels.of(faces, vertices)
    assert sorted(levels.leaves[levels.leaves >= 0].tolist()) == list(range(vertices))
    sizes = [levels.nodes(level) for level in range(5)]
    assert sizes == [sizes[0] * 2**level for level in range(5)] and sizes[-1] == len(levels.leaves)


def test_what_lies_below_a_node_hangs_together(surface):
    faces, vertices = surface
    levels = MeshLevels.of(faces, vertices)
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).T
    graph = coo_matrix((np.ones(edges.shape[1]), edges), shape=(vertices, vertices)).tocsr()
    for level in range(5):
        for below in levels.leaves.reshape(levels.nodes(level), -1):
            real = below[below >= 0].numpy()
            assert len(real) or level, "only the coarsest level has no fake node"
            assert not len(real) or connected_components(graph[real][:, real], directed=False)[0] == 1


def test_few_nodes_are_fake(hands):
    arrays = hands[Side.RIGHT].arrays
    levels = MeshLevels.of(arrays.faces, len(arrays.v_template))
    assert (
        len(arrays.v_template) <= len(levels.leaves) < 1.4 * len(arrays.v_template)
    )  # 1008 for MANO's 778, as released


def test_the_order_of_faces_and_of_their_corners_does_not_matter(surface, generator):
    faces, vertices = surface
    shuffled = generator.permutation(faces)[:, [2, 0, 1]]
    assert torch.equal(MeshLevels.of(faces, vertices).leaves, MeshLevels.of(shuffled[:, ::-1], vertices).leaves)


def test_a_square_worked_by_hand():
    """0 1 / 2 3 with the diagonal 1–2: volumes 2, 3, 3, 2. 0 and 3 choose first, 1 and 2 being equally good: 0–1, then 3–2."""
    levels = MeshLevels.of(np.array([[0, 1, 2], [1, 3, 2]]), 4, halvings=2)
    assert levels.leaves.tolist() == [0, 1, 3, 2]
    fan = MeshLevels.of(np.array([[0, 1, 2]]), 3, halvings=2)  # 0–1, then 2 alone
    assert fan.leaves.tolist() == [2, -1, 0, 1]  # the smaller of the two nodes, which is 2, chose the other
    alone = MeshLevels.of(np.array([[0, 1, 2]]), 3, halvings=3)  # and nobody is left for the last halving
    assert alone.leaves.tolist() == [2, -1, 0, 1, -1, -1, -1, -1]


def test_pooling_is_the_mean_of_what_lies_below_and_a_fake_node_lies_on_its_parent(surface, draws):
    faces, vertices = surface
    levels, points = MeshLevels.of(faces, vertices), torch.randn(2, vertices, 3, generator=draws).double()
    means = [{node: None for node in range(levels.nodes(level))} for level in range(5)]
    for level in range(5):
        for node, below in enumerate(levels.leaves.reshape(levels.nodes(level), -1).tolist()):
            real = [vertex for vertex in below if vertex >= 0]
            means[level][node] = points[:, real].mean(1) if real else means[level - 1][node // 2]
        torch.testing.assert_close(levels.pool(points, level), torch.stack(list(means[level].values()), dim=1))


@pytest.mark.parametrize(("faces", "vertices"), [(np.zeros((0, 3), int), 3), (np.array([[0, 1, 3]]), 3)])
def test_faces_of_another_surface_are_refused(faces, vertices):
    with pytest.raises(ValueError, match=f"do not fit a surface of {vertices} vertices"):
        MeshLevels.of(faces, vertices)


def test_meshes_tell_joints_nodes_and_sizes(meshes, hands):
    assert meshes.vertices == 778 and [meshes.nodes(k) for k in (1, FINEST)] == [
        2 * meshes.nodes(0),
        4 * meshes.nodes(0),
    ]
    for side in Side:
        model = hands[side]
        vertices = model.v_template[None]
        rows = surface_regressor(model.arrays).float()
        torch.testing.assert_close(meshes.joints(side, vertices), surface_joints(vertices, rows, model.arrays.tips))
        torch.testing.assert_close(meshes.pool(vertices), meshes.levels.pool(vertices))
        assert torch.equal(meshes.faces[list(Side).index(side)], model.faces)


def test_rest_positions_are_those_of_flat_hands_scaled_to_the_unit_cube(meshes, hands):
    for row, side in enumerate(Side):
        template = hands[side].v_template
        low, high = template.amin(0), template.amax(0)
        back = (meshes.rest[row] + 1) / 2 * (high - low) + low
        torch.testing.assert_close(back, meshes.levels.pool(template), atol=1e-6, rtol=0)
    torch.testing.assert_close(meshes.rest[1], meshes.rest[0] * torch.tensor([-1.0, 1.0, 1.0]), atol=1e-6, rtol=0)
    coarse = meshes.rest_at(0)
    assert coarse.shape == (2, meshes.nodes(0), 3)
    torch.testing.assert_close(coarse[0, 3], meshes.rest[0, 12:16].mean(0))


MISFITS = {
    "leaf twice": ("leaves", lambda t: t.clone().fill_(0), "name each of 778 vertices once"),
    "leaf of nothing": ("leaves", lambda t: torch.where(t < 0, -2, t), "name each of 778 vertices once"),
    "leaf too few": ("leaves", lambda t: t[1:], "no doubling"),
    "half the nodes": ("upsampling", lambda t: t[:, ::2], "rest positions"),
    "a third of them": ("upsampling", lambda t: t[:, : t.shape[1] // 3], "no doubling"),
    "rest of others": ("rest", lambda t: t[:, 1:], "rest positions"),
    "a tip beyond": ("tips", lambda t: t + 700, "beyond the 778"),
    "a face beyond": ("faces", lambda t: t - 1, "beyond the 778"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_parts_that_do_not_fit_each_other_are_refused(meshes, name):
    part, change, sentence = MISFITS[name]
    parts = {key: value for key, value in meshes.state_dict().items()}
    parts[part] = change(parts[part])
    with pytest.raises(ValueError, match=sentence):
        Meshes(**parts)

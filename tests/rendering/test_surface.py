"""The drawn surface: closed, smooth, through the model's vertices, and moving with the hand."""

import numpy as np
import pytest
import torch
import trimesh

from hands.forearm import FOREARM
from hands.joints import Side
from hands.mesh import wrist_loop
from rendering.subdivision import loop_subdivision

OCTAHEDRON = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
CORNERS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)


def test_subdivision_of_an_octahedron_by_hand():
    matrix, faces = loop_subdivision(OCTAHEDRON, 6, 1)
    fine = matrix @ CORNERS
    # valence 4: 1 - 4·3/32 = 5/8 of itself, the four neighbours cancel
    np.testing.assert_allclose(fine[0], [5 / 8, 0, 0], atol=1e-12)
    # between corners 0 and 2, opposite corners 4 and 5 cancel
    assert any(np.allclose(vertex, [3 / 8, 3 / 8, 0]) for vertex in fine[6:])
    assert faces.shape == (32, 3) and len(fine) == 18


def test_subdivision_keeps_orientation_and_constants():
    matrix, faces = loop_subdivision(OCTAHEDRON, 6, 2)
    np.testing.assert_allclose(matrix @ np.ones(6), 1)
    mesh = trimesh.Trimesh(matrix @ CORNERS, faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0


def test_open_surfaces_are_refused():
    with pytest.raises(ValueError, match="closed"):
        loop_subdivision(OCTAHEDRON[:-1], 6, 1)


@pytest.mark.parametrize("side", list(Side))
def test_surface_is_closed_and_passes_through_the_model(hands, surfaces, side):
    arrays, surface = hands[side].arrays, surfaces[side]
    fine = surface.vertices(arrays.v_template)
    mesh = trimesh.Trimesh(fine, surface.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    assert mesh.euler_number == 2
    assert np.abs(fine[: len(arrays.v_template)] - arrays.v_template).max() < 1e-6


def test_surface_moves_with_the_wrist(hands, surfaces):
    model = hands[Side.RIGHT]
    orient, move = torch.tensor([[0.4, -1.1, 0.7]]), torch.tensor([[0.1, 0.2, 0.3]])
    posed = model(orient, torch.zeros(1, 45), torch.zeros(1, 10), move)
    rest = surfaces[Side.RIGHT].vertices(model.arrays.v_template)
    moved = surfaces[Side.RIGHT].vertices(posed.vertices[0].numpy())
    rotation, shift = posed.transforms[0, 0, :, :3].numpy(), posed.transforms[0, 0, :, 3].numpy()
    assert np.abs(moved - (rest @ rotation.T + shift)).max() < 1e-5


def test_the_forearm_begins_at_the_rim_and_is_no_part_of_the_hand(hands, surfaces):
    arrays, surface = hands[Side.RIGHT].arrays, surfaces[Side.RIGHT]
    fine = surface.vertices(arrays.v_template)
    towards_elbow = surface.forearm.axes[0] @ arrays.v_template
    reach, rim = fine @ towards_elbow, arrays.v_template[wrist_loop(arrays.faces)] @ towards_elbow
    forearm = surface.part == FOREARM
    assert 0.24 < reach.max() - rim.max() < 0.28
    assert (reach[surface.faces[forearm]] > rim.min() - 1e-3).all()
    assert (reach[surface.faces[~forearm]] < rim.max() + 1e-3).all()
    assert set(np.flatnonzero(surface.of_hand)) == set(np.unique(surface.faces[~forearm]))


def test_every_part_is_on_the_surface_and_both_hands_agree(surfaces):
    assert set(surfaces[Side.RIGHT].part) == {*range(16), FOREARM}
    counts = [np.bincount(surfaces[side].part) for side in Side]
    np.testing.assert_allclose(counts[0], counts[1], rtol=0.02)
    for name, values in surfaces[Side.RIGHT].attributes.items():
        if name == "uv":  # of face corners, which run the other way round
            continue
        different = np.abs(values[:778] - surfaces[Side.LEFT].attributes[name][:778]) > 2e-3
        assert different.mean() < 0.02, name  # the stump's triangles run the other way round, which tilts rim normals


def test_nails_are_five_and_on_the_back(hands, surfaces):
    arrays, surface = hands[Side.RIGHT].arrays, surfaces[Side.RIGHT]
    facing, along, across = surface.attributes["nail"].T
    nail = (facing > 0) & (along**4 + across**4 < 1)
    assert not (nail & (surface.attributes["tone"][:, 0] > 0.6)).any()
    on_nail = nail[surface.faces].all(axis=1)
    assert set(surface.part[on_nail]) == {3, 6, 9, 12, 15}
    fine = surface.vertices(arrays.v_template)
    areas = trimesh.triangles.area(fine[surface.faces[on_nail]])
    for part in (3, 6, 9, 12, 15):  # square millimetres of a nail
        assert 25 < 1e6 * areas[surface.part[on_nail] == part].sum() < 250

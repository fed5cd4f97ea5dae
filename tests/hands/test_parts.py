"""The 16 parts: closed, and together the whole hand."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from hands.joints import MANO_JOINTS, MANO_PARENTS, Side
from hands.mesh import boundary_loops
from hands.parts import PARTS, HandParts, subdivide
from hands.skinning import with_centres


def meshes(hands, side: Side, parts: HandParts) -> list[trimesh.Trimesh]:
    vertices = with_centres(hands[side].arrays.v_template, parts)
    return [trimesh.Trimesh(vertices, faces, process=False) for faces in (*parts.meshes, parts.surface)]


@pytest.mark.parametrize("side", Side)
def test_every_part_is_a_closed_mesh_and_the_palm_too(hands, side):
    for name, part in zip((*MANO_JOINTS, "hand"), meshes(hands, side, subdivide(hands[side].arrays)), strict=True):
        part.remove_unreferenced_vertices()
        assert part.is_watertight and part.is_winding_consistent and part.euler_number == 2, name
        assert part.volume > 0, name


@pytest.mark.parametrize("side", Side)
def test_the_parts_fill_the_hand_once(hands, side):
    *parts, whole = meshes(hands, side, subdivide(hands[side].arrays))
    assert sum(part.volume for part in parts) == pytest.approx(whole.volume, rel=1e-9)


@pytest.mark.parametrize("side", Side)
def test_parts_follow_the_skinning_weights(hands, side):
    arrays = hands[side].arrays
    face_part = subdivide(arrays).face_part
    assert set(face_part) == set(range(PARTS))
    heaviest = arrays.weights[arrays.faces].sum(1).argmax(1)
    assert (heaviest == face_part).mean() > 0.95


def test_a_ring_separates_each_part_from_its_parent(hands):
    arrays = hands[Side.RIGHT].arrays
    parts = subdivide(arrays)
    for joint in range(1, PARTS):
        for part in (joint, MANO_PARENTS[joint]):
            touched = np.unique(np.concatenate([arrays.faces[parts.face_part == part].ravel(), parts.rings[part]]))
            assert np.isin(parts.rings[joint], touched).mean() > 0.5, MANO_JOINTS[joint]


def test_mirrored_hands_have_mirrored_parts(hands):
    right, left = (subdivide(hands[side].arrays) for side in Side)
    assert np.array_equal(right.face_part, left.face_part)


def test_an_immovable_part_is_refused(hands):
    arrays = hands[Side.RIGHT].arrays
    weights = arrays.weights.copy()
    weights[:, 0] += weights[:, 3]
    weights[:, 3] = 0
    with pytest.raises(ValueError, match="index_3"):
        subdivide(replace(arrays, weights=weights))


def test_two_loops_in_one_vertex_are_refused():
    bow_tie = np.array([[0, 1, 2], [0, 3, 4]])
    with pytest.raises(ValueError, match="meet in one vertex"):
        boundary_loops(bow_tie)

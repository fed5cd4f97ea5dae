"""The z-buffer that labels are compared with: areas, depths, order, and what reaches behind the camera."""

import numpy as np
import pytest
import trimesh

from benchmarks.rasteriser import clip, rasterise
from benchmarks.sightlines import hits
from hands.camera import Camera

CAMERA = Camera(np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]), np.eye(3), np.zeros(3), 100, 80)


def square(z: float, half: float = 0.2) -> np.ndarray:
    return np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])


FACES = np.array([[0, 1, 2], [0, 2, 3]])


def test_a_square_covers_its_pixels_once_with_its_depth():
    face, depth = rasterise(square(1.0), FACES, CAMERA)
    assert (face >= 0).sum() == 40 * 40
    assert (face[20:60, 30:70] >= 0).all() and np.allclose(depth[face >= 0], 1.0)
    assert set(np.unique(face)) == {-1, 0, 1}


def test_the_nearest_is_seen_whatever_the_order_and_the_winding():
    vertices = np.concatenate([square(2.0, 0.4), square(1.0, 0.1)])
    for near in (FACES + 4, FACES[:, ::-1] + 4):
        face, depth = rasterise(vertices, np.concatenate([FACES, near]), CAMERA)
        assert (face[30:50, 40:60] >= 2).all() and np.allclose(depth[30:50, 40:60], 1.0)
        assert depth[22, 32] == pytest.approx(2.0)


def test_depth_of_a_slanted_plane_is_perspective_correct():
    vertices = np.array([[-1.0, -1, 1], [1, -1, 3], [1, 1, 3], [-1, 1, 1]])  # z = x + 2
    face, depth = rasterise(vertices, FACES, CAMERA)
    rows, columns = np.nonzero(face >= 0)
    across = (columns + 0.5 - 50) / 100
    np.testing.assert_allclose(depth[rows, columns], 2 / (1 - across), rtol=1e-12)


def test_triangles_behind_the_camera_are_left_out_and_those_across_it_cut():
    corners = np.array(
        [[[0, 0, 1.0], [1, 0, 1], [0, 1, 1]], [[0, 0, -1], [1, 0, -1], [0, 1, -1]], [[0, 0, 1], [1, 0, 1], [0, 0, -1]]]
    )
    kept, owner = clip(corners)
    assert set(owner) == {0, 2} and (kept[..., 2] >= 1e-3 - 1e-12).all()
    floor = np.array([[-1.0, 0.1, -1], [1, 0.1, -1], [1, 0.1, 4], [-1, 0.1, 4]])
    face, depth = rasterise(floor, FACES, CAMERA)
    rows = np.nonzero(face[:, 50] >= 0)[0]
    np.testing.assert_allclose(depth[rows, 50], 0.1 * 100 / (rows + 0.5 - 40), rtol=1e-12)


def test_centres_on_a_common_edge_are_covered():
    corners = np.array([[-0.1, -0.1, 1.0], [0.1, -0.1, 1], [0.1, 0.1, 1], [-0.1, 0.1, 1]])
    shifted = corners + np.array([0.005, 0.005, 0])  # the diagonal runs through pixels' centres
    face, _ = rasterise(shifted, FACES, CAMERA)
    inner = face[32:49, 42:59]
    assert (inner >= 0).all() and set(np.unique(np.diag(inner))) == {0}


def test_a_line_counts_entries_and_finds_the_first_hit():
    one, other = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((1, 1, 1)).apply_translation([0, 0, 3])
    both = trimesh.util.concatenate([one, other])
    eye = np.array([0.1, 0.2, -2.0])
    first, entries, _ = hits(both.vertices, both.faces, eye, eye + np.array([0, 0, 5]))
    assert (first, entries) == (pytest.approx(1.5 / 5), 2)
    assert hits(both.vertices, both.faces, eye, eye + np.array([0, 0, 2]))[1] == 1
    assert hits(both.vertices, both.faces, eye, eye + np.array([0, 5, 0]))[:2] == (np.inf, 0)


def test_a_line_through_an_edge_enters_once():
    cube = trimesh.creation.box((1, 1, 1))
    _, entries, margin = hits(cube.vertices, cube.faces, np.array([0.0, 0, -2]), np.array([0.0, 0, 0]))
    assert (entries, margin) == (1, pytest.approx(0, abs=1e-15))

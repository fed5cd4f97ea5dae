"""The matrices draw what the dataset's camera saw: pixels, depths and outlines agree with `hands.camera` and the masks."""

import numpy as np
import pytest

from dataset.pictures import values
from dataset.rows import camera_of, joints_2d, joints_3d
from dataset.viewer.scene import (
    FAR,
    NEAR,
    corner_rays,
    face_parts,
    middle,
    projection_matrix,
    surface,
    to_world,
    view_matrix,
)
from hands.camera import Camera, look_at
from hands.joints import Side


@pytest.fixture
def camera() -> Camera:
    """Unequal focal lengths, a principal point well off the middle, and a roll."""
    seen = look_at(np.array([0.3, -0.4, 0.2]), np.zeros(3), np.array([0, 0, 1.0]), 0.4, 0.6, 320, 200)
    K = np.array([[410.0, 0, 97.5], [0, 380.0, 141.25], [0, 0, 1]])
    return Camera(K, seen.R, seen.t, 320, 200)


def pixels_of(points: np.ndarray, view: np.ndarray, projection: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What WebGL does: clip space, division, and the viewport with its y turned down."""
    clip = np.column_stack([points, np.ones(len(points))]) @ (projection @ view).T
    x, y = (clip[:, :2] / clip[:, 3:]).T
    return np.column_stack([(x + 1) / 2 * size[0], (1 - y) / 2 * size[1]])


def test_world_points_come_to_the_pixels_of_the_camera(camera, generator):
    points = generator.uniform(-0.1, 0.1, (50, 3))
    drawn = pixels_of(points, view_matrix(camera), projection_matrix(camera), (320, 200))
    np.testing.assert_allclose(drawn, camera.project(camera.to_camera(points)), atol=1e-9)


def test_depths_come_to_the_range_that_is_drawn(camera):
    for depth, wanted in ((NEAR, -1), (FAR, 1)):
        clip = projection_matrix(camera) @ [0, 0, -depth, 1]
        assert clip[2] / clip[3] == pytest.approx(wanted)


def test_corner_rays_reach_the_corners_of_the_image(camera):
    corners = camera.position + 0.3 * corner_rays(camera)
    np.testing.assert_allclose(camera.to_camera(corners)[:, 2], 0.3)
    np.testing.assert_allclose(
        camera.project(camera.to_camera(corners)), [[0, 0], [320, 0], [320, 200], [0, 200]], atol=1e-9
    )


def test_world_and_camera_frame_are_inverse(camera, generator):
    points = generator.uniform(-1, 1, (20, 3))
    np.testing.assert_allclose(to_world(camera.to_camera(points), camera), points, atol=1e-12)


@pytest.mark.parametrize("side", Side)
def test_drawn_vertices_lie_on_the_outline_that_the_mask_has(image_rows, hands, side):
    for row in image_rows:
        camera, mask = camera_of(row), values(row[f"mask_{side}_amodal"]) > 0
        world = to_world(surface(row, hands[side]), camera)
        drawn = pixels_of(world, view_matrix(camera), projection_matrix(camera), (row["width"], row["height"]))
        near = np.pad(mask, 1)
        grown = near[2:, 1:-1] | near[:-2, 1:-1] | near[1:-1, 2:] | near[1:-1, :-2] | mask
        x, y = np.floor(drawn).astype(int).T
        inside = (x >= 0) & (x < row["width"]) & (y >= 0) & (y < row["height"])
        assert inside.sum() > 400
        assert grown[y[inside], x[inside]].mean() > 0.995


def test_parts_of_faces_are_those_of_their_corners(hands):
    arrays = hands[Side.RIGHT].arrays
    parts = face_parts(arrays)
    assert set(parts) == set(range(16))
    alike = (arrays.parts[arrays.faces] == parts[:, None]).any(1)
    assert alike.mean() > 0.99


def test_the_middle_projects_among_the_joints(image_rows):
    row = image_rows[0]
    camera = camera_of(row)
    pixel = camera.project(camera.to_camera(middle(row)))
    every = np.concatenate([joints_2d(row[side]) for side in Side])
    assert (every.min(0) < pixel).all() and (pixel < every.max(0)).all()
    depths = np.concatenate([joints_3d(row[side])[:, 2] for side in Side])
    assert camera.to_camera(middle(row))[2] == pytest.approx(depths.mean())

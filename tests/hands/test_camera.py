"""Cameras by numbers worked by hand."""

import math

import numpy as np
import pytest

from hands.camera import Camera, look_at

K = np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])


@pytest.fixture
def camera(generator) -> Camera:
    eye, target, up = np.array([0.3, -0.5, 0.4]), np.array([0.02, 0.01, -0.03]), np.array([0.0, 0, 1])
    return look_at(eye, target, up, roll=0.3, vertical_fov=0.7, width=40, height=24)


def test_projection_worked_by_hand() -> None:
    camera = Camera(K, np.eye(3), np.zeros(3), 64, 48)
    points = np.array([[0, 0, 2.0], [0.1, -0.2, 0.5], [0.32, 0.24, 1.0]])
    np.testing.assert_allclose(camera.project(points), [[32, 24], [52, -16], [64, 48]])


def test_world_to_camera_worked_by_hand() -> None:
    """A camera two metres behind the stage that looks forward: world y is depth, world z is up and so minus y."""
    camera = look_at(np.array([0, -2.0, 0]), np.zeros(3), np.array([0, 0, 1.0]), 0.0, math.pi / 2, 64, 48)
    np.testing.assert_allclose(camera.R, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(camera.t, [0, 0, 2], atol=1e-15)
    np.testing.assert_allclose(camera.to_camera(np.array([0.1, 0.5, 0.2])), [0.1, -0.2, 2.5], atol=1e-15)
    np.testing.assert_allclose(camera.K, [[24, 0, 32], [0, 24, 24], [0, 0, 1]], atol=1e-12)


def test_look_at_puts_the_target_in_the_image_centre(camera: Camera) -> None:
    target = camera.to_camera(np.array([0.02, 0.01, -0.03]))
    np.testing.assert_allclose(camera.project(target), [20, 12], atol=1e-9)
    assert target[2] == pytest.approx(np.linalg.norm([0.28, -0.51, 0.43]))
    np.testing.assert_allclose(camera.position, [0.3, -0.5, 0.4], atol=1e-12)
    np.testing.assert_allclose(camera.R @ camera.R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.R) == pytest.approx(1)


def test_field_of_view_reaches_the_upper_and_lower_edge(camera: Camera) -> None:
    edge = np.array([0, math.tan(0.35), 1.0])
    np.testing.assert_allclose(camera.project(np.stack([edge, edge * [1, -1, 1]])), [[20, 24], [20, 0]], atol=1e-9)


def test_roll_turns_the_picture() -> None:
    """With roll φ the world's up direction, (0, -1) in an upright picture, is seen at (-sin φ, -cos φ)."""
    eye, up = np.array([0, -2.0, 0]), np.array([0, 0, 1.0])
    for roll in (0.0, 0.4, -1.2):
        camera = look_at(eye, np.zeros(3), up, roll, 0.8, 64, 64)
        seen = camera.project(camera.to_camera(up * 0.1)) - 32
        np.testing.assert_allclose(seen / np.linalg.norm(seen), [-math.sin(roll), -math.cos(roll)], atol=1e-9)


def test_pixel_rays_undo_projection(camera: Camera) -> None:
    rays = camera.pixel_rays()
    assert rays.shape == (40 * 24, 3)
    for depth in (0.1, 0.7):
        points = camera.to_camera(camera.position + depth * rays)
        np.testing.assert_allclose(points[:, 2], depth, atol=1e-12)
        pixels = camera.project(points).reshape(24, 40, 2)
        np.testing.assert_allclose(pixels[..., 0], np.arange(40)[None] + 0.5 + np.zeros((24, 1)), atol=1e-9)
        np.testing.assert_allclose(pixels[..., 1], np.arange(24)[:, None] + 0.5 + np.zeros((1, 40)), atol=1e-9)


def test_point_shapes(camera: Camera, generator) -> None:
    points = generator.normal(size=(2, 5, 3)) + np.array([0, 0, 5])
    assert camera.project(points).shape == (2, 5, 2) and camera.project(points[0, 0]).shape == (2,)
    np.testing.assert_array_equal(camera.project(points)[1, 3], camera.project(points[1, 3]))

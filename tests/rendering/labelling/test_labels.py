"""Labels against slow and obvious ways to get the same."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from hands.camera import Camera
from hands.forearm import FOREARM
from hands.joints import JointState, Side
from rendering.labelling.labels import (
    HandLabels,
    Labels,
    make_labels,
    outline_box,
)
from rendering.labelling.visibility import joint_states


@pytest.fixture(scope="module")
def labels(surfaces, one_before_other, camera) -> Labels:
    return make_labels(surfaces, one_before_other.vertices, one_before_other.joints, camera)


def brute_force_ray(vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, ray: np.ndarray) -> np.ndarray:
    """Ray lengths at which the ray crosses the surface, by Möller and Trumbore's test on every triangle."""
    a, b, c = vertices[faces].astype(float).transpose(1, 0, 2)
    e1, e2 = b - a, c - a
    p = np.cross(ray, e2)
    determinant = (e1 * p).sum(1)
    s = origin - a
    u = (s * p).sum(1) / determinant
    q = np.cross(s, e1)
    v, t = q @ ray / determinant, (q * e2).sum(1) / determinant
    return np.sort(t[(u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)])


def test_masks_and_depth_of_random_pixels(labels, surfaces, one_before_other, camera, generator):
    rays = camera.pixel_rays().reshape(camera.height, camera.width, 3)
    seen = np.argwhere(labels.mask_parts > 0)
    anywhere = generator.integers(0, camera.height, (20, 2))
    pixels = np.concatenate([seen[generator.integers(len(seen), size=60)], anywhere])
    for row, column in pixels:
        first = [
            brute_force_ray(one_before_other.vertices[side], surfaces[side].faces, camera.position, rays[row, column])
            for side in (Side.RIGHT, Side.LEFT)
        ]
        nearest = [hits[0] if len(hits) else np.inf for hits in first]
        owner = 0 if np.isinf(nearest).all() else int(np.argmin(nearest)) + 1
        forearm = labels.mask_parts[row, column] == owner + 32
        assert labels.mask_hands[row, column] == (0 if forearm else owner)
        assert labels.depth[row, column] == pytest.approx(0 if owner == 0 else min(nearest), abs=1e-6)
        for side in (Side.RIGHT, Side.LEFT):
            surface, hand = surfaces[side], surfaces[side].part < FOREARM
            args = (one_before_other.vertices[side], surface.faces[hand], camera.position, rays[row, column])
            assert labels.hands[side].mask_amodal[row, column] == (len(brute_force_ray(*args)) > 0)


def test_forearms_are_parts_of_their_own(labels, surfaces, one_before_other, camera):
    rays = camera.pixel_rays().reshape(camera.height, camera.width, 3)
    for number, side in enumerate((Side.RIGHT, Side.LEFT)):
        pixels = np.argwhere(labels.mask_parts == 33 + number)[::40]
        assert len(pixels) > 20
        surface = surfaces[side]
        for row, column in pixels:
            near = [
                brute_force_ray(
                    one_before_other.vertices[side], surface.faces[part], camera.position, rays[row, column]
                )
                for part in (surface.part == FOREARM, surface.part < FOREARM)
            ]
            assert len(near[0]) and (not len(near[1]) or near[0][0] < near[1][0])


def test_normals_are_those_of_the_surface(surfaces, one_before_other, camera):
    found = make_labels(surfaces, one_before_other.vertices, one_before_other.joints, camera, normals=True)
    seen = found.mask_parts > 0
    assert (np.linalg.norm(found.normals, axis=2)[seen] == pytest.approx(1, abs=1e-5)) and not found.normals[
        ~seen
    ].any()
    rays = camera.pixel_rays().reshape(camera.height, camera.width, 3) @ camera.R.T
    assert ((rays * found.normals).sum(2)[seen] < 0.3).all(), "what is seen faces the camera, but for smooth outlines"
    inner = ndimage.binary_erosion(found.mask_hands == 1, iterations=6)
    points = rays * found.depth[..., None]
    flat = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    flat /= np.linalg.norm(flat, axis=2, keepdims=True).clip(1e-12)
    assert np.median((flat * found.normals).sum(2)[inner]) > 0.995


def test_masks_agree_with_each_other(labels):
    for number, side in enumerate((Side.RIGHT, Side.LEFT), start=1):
        hand: HandLabels = labels.hands[side]
        visible = labels.mask_hands == number
        assert not (visible & ~hand.mask_amodal).any()
        assert hand.visible_fraction == pytest.approx(visible.sum() / hand.mask_amodal.sum())
        parts = labels.mask_parts[visible]
        assert parts.min() >= 1 + 16 * (number - 1) and parts.max() <= 16 * number
    np.testing.assert_array_equal((labels.mask_parts > 0) & (labels.mask_parts < 33), labels.mask_hands > 0)
    np.testing.assert_array_equal(labels.depth > 0, labels.mask_parts > 0)
    assert labels.hands[Side.LEFT].visible_fraction < 0.9 < labels.hands[Side.RIGHT].visible_fraction


def test_box_holds_the_outline(labels):
    for hand in labels.hands.values():
        rows, columns = np.nonzero(hand.mask_amodal)
        x, y, width, height = hand.bbox
        np.testing.assert_allclose([x, y], [columns.min(), rows.min()], atol=1.5)
        np.testing.assert_allclose([x + width, y + height], [columns.max() + 1, rows.max() + 1], atol=1.5)


def test_joints_project_into_the_picture(labels, one_before_other, camera):
    hand = labels.hands[Side.RIGHT]
    np.testing.assert_allclose(hand.joints_3d, camera.to_camera(one_before_other.joints[Side.RIGHT]), atol=1e-12)
    u, v = hand.joints_2d[9]
    assert labels.hands[Side.RIGHT].mask_amodal[int(v), int(u)]


def test_hidden_and_visible_joints(labels):
    """The front hand shows its flat back; the one behind it loses the joints that lie under the front one's mask."""
    right, left = labels.hands[Side.RIGHT], labels.hands[Side.LEFT]
    assert (right.joint_state == JointState.VISIBLE).sum() >= 18
    hidden = left.joint_state == JointState.HIDDEN_BY_OTHER_HAND
    assert 3 <= hidden.sum() < 21
    for (u, v), state in zip(left.joints_2d, left.joint_state, strict=True):
        if state != JointState.OUTSIDE_IMAGE:
            assert right.mask_amodal[int(v), int(u)] == (state == JointState.HIDDEN_BY_OTHER_HAND)


def test_joints_outside_the_image(surfaces, one_before_other, camera):
    narrow = replace(camera, K=camera.K + np.array([[0, 0, 2000.0], [0, 0, 0], [0, 0, 0]]))
    aside = make_labels(surfaces, one_before_other.vertices, one_before_other.joints, narrow)
    for hand in aside.hands.values():
        assert (hand.joint_state == JointState.OUTSIDE_IMAGE).all()
        assert hand.visible_fraction == 0 and not hand.bbox.any() and not hand.mask_amodal.any()


def test_joint_states_with_spheres():
    """Two balls of one 'hand' in a row hide a joint in the second from the first; a ball of the other hides both."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.02)
    near, far = ball.copy().apply_translation([0, 0, 0.5]), ball.copy().apply_translation([0.0, 0, 0.6])
    own, blocker = trimesh.util.concatenate([near, far]), ball.copy().apply_translation([0.1, 0, 0.4])
    camera = Camera(np.array([[500.0, 0, 256], [0, 500, 167], [0, 0, 1]]), np.eye(3), np.zeros(3), 512, 334)
    joints = np.tile([0.003, 0.002, 0.5], (21, 1))
    joints[1] = [0.003, 0.002, 0.6]
    joints[4] = [0.0, 0.0, 0.48]
    joints[5] = [0.125, 0.0, 0.5]
    joints[6] = [0.5, 0.0, 0.5]
    meshes = {Side.RIGHT: own, Side.LEFT: blocker}
    states = joint_states(Side.RIGHT, meshes, joints, camera)
    expected = np.zeros(21)
    expected[[1, 5, 6]] = JointState.HIDDEN_BY_SAME_HAND, JointState.HIDDEN_BY_OTHER_HAND, JointState.OUTSIDE_IMAGE
    np.testing.assert_array_equal(states[[0, 1, 2, 3, 4, 5, 6]], expected[[0, 1, 2, 3, 4, 5, 6]])


def test_boxes_are_clipped(one_before_other, camera):
    shifted = replace(camera, K=camera.K + np.array([[0, 0, 200.0], [0, 0, 0], [0, 0, 0]]))
    x, y, width, height = outline_box(one_before_other.vertices[Side.RIGHT], shifted)
    assert x >= 0 and y >= 0 and x + width == camera.width and y + height <= camera.height

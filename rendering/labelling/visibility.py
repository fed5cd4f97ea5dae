"""Why a joint can or cannot be seen: its line of sight against both hands' surfaces, forearms included."""

import numpy as np
import trimesh
from jaxtyping import Bool, Float, UInt8

from hands.camera import Camera
from hands.joints import JOINTS_21, JointState, Side
from rendering.skin.map import vertex_normals

FINGERTIPS = tuple(number for number, name in enumerate(JOINTS_21) if name.endswith("_tip"))
TIP_INSET = 0.001
"""Metres by which a fingertip, a point of the surface, is moved inside before asking what hides it."""


def joint_states(
    side: Side, meshes: dict[Side, trimesh.Trimesh], joints: Float[np.ndarray, "21 3"], camera: Camera
) -> UInt8[np.ndarray, "21"]:
    """`hands.joints.JointState` of each joint of one hand (world, metres).

    Joints lie inside the hand: one is visible when the line of sight enters the own surface exactly once before it and
    the other hand is not in front. A line that entered, left and entered again passes another finger: hidden.
    """
    points = np.array(joints, dtype=np.float64)
    points[list(FINGERTIPS)] = inset_tips(meshes[side], points[list(FINGERTIPS)])
    own = _crossings(meshes[side], camera.position, points)
    other = _crossings(meshes[side.other], camera.position, points)
    own_first = np.array([min(distances, default=np.inf) for distances, _ in own])
    other_first = np.array([min(distances, default=np.inf) for distances, _ in other])
    entries = np.array([entries for _, entries in own])
    states = np.where(entries > 1, JointState.HIDDEN_BY_SAME_HAND, JointState.VISIBLE)
    states[other_first < own_first] = JointState.HIDDEN_BY_OTHER_HAND
    states[~_in_image(joints, camera)] = JointState.OUTSIDE_IMAGE
    return states.astype(np.uint8)


def inset_tips(mesh: trimesh.Trimesh, tips: Float[np.ndarray, "5 3"]) -> Float[np.ndarray, "5 3"]:
    """Fingertips moved inside the surface by `TIP_INSET`."""
    nearest = np.linalg.norm(mesh.vertices[None] - tips[:, None], axis=2).argmin(axis=1)
    return tips - TIP_INSET * vertex_normals(np.asarray(mesh.vertices), np.asarray(mesh.faces))[nearest]


def _crossings(
    mesh: trimesh.Trimesh, origin: Float[np.ndarray, "3"], points: Float[np.ndarray, "k 3"]
) -> list[tuple[list[float], int]]:
    """For each point: where its line of sight crosses the surface (0 camera, 1 point), and how often it enters."""
    a, b, c = (corner - origin for corner in mesh.triangles.transpose(1, 0, 2))
    sides = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
    return [_line_crossings(a, b, c, sides @ ray, ray) for ray in points - origin]


def _line_crossings(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, sides: Float[np.ndarray, "3 m"], ray: Float[np.ndarray, "3"]
) -> tuple[list[float], int]:
    """Signed volumes decide exactly and consistently between neighbours which triangles a line from 0 crosses."""
    through = (sides >= 0).all(0) | (sides < 0).all(0)
    normals = np.cross(b[through] - a[through], c[through] - a[through])
    towards = normals @ ray
    share = (a[through] * normals).sum(1) / np.where(towards == 0, 1e-300, towards)
    before = (share > 0) & (share < 1)
    return share[before].tolist(), int((towards[before] < 0).sum())


def _in_image(points: Float[np.ndarray, "k 3"], camera: Camera) -> Bool[np.ndarray, "k"]:
    in_camera = camera.to_camera(points)
    pixels = camera.project(in_camera)
    inside = (pixels >= 0).all(axis=1) & (pixels < [camera.width, camera.height]).all(axis=1)
    return inside & (in_camera[:, 2] > 0)

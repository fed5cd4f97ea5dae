"""What hides a joint, by brute force: every triangle of both surfaces is tried for every line of sight.

The rule is that of `rendering.labelling.visibility`; the test is Möller and Trumbore's (1997), another one than there.
"""

import numpy as np
from jaxtyping import Float, Int

from hands.camera import Camera
from hands.joints import JOINTS_21, JointState, Side
from rendering.labelling.visibility import TIP_INSET
from rendering.surface import HandSurface

TIPS = [number for number, name in enumerate(JOINTS_21) if name.endswith("_tip")]
SAME_PLACE = 1e-9
"""Entries nearer to each other than this, as a share of the line, are one: a line through an edge meets two triangles."""


def true_states(
    side: Side,
    fine: dict[Side, np.ndarray],
    surfaces: dict[Side, HandSurface],
    joints: Float[np.ndarray, "21 3"],
    camera: Camera,
) -> tuple[Int[np.ndarray, "21"], Float[np.ndarray, "21"]]:
    """The definition of `joint_state`, joints and vertices in the world, metres.

    Returns:
        The states; and how near each line of sight comes to an edge of a triangle, as a share of the triangle (infinite
        for joints outside the image).
    """
    points = joints.copy()
    points[TIPS] -= TIP_INSET * _tip_normals(fine[side].astype(float), surfaces[side].faces, joints[TIPS])
    ahead = camera.to_camera(joints)[:, 2] > 0
    pixels = camera.project(camera.to_camera(joints))
    inside = (pixels >= 0).all(1) & (pixels < (camera.width, camera.height)).all(1) & ahead
    states, margins = np.full(21, JointState.OUTSIDE_IMAGE), np.full(21, np.inf)
    for joint in np.flatnonzero(inside):
        line = camera.position, points[joint]
        own, entries, margin = hits(fine[side], surfaces[side].faces, *line)
        other, _, other_margin = hits(fine[side.other], surfaces[side.other].faces, *line)
        hidden = JointState.HIDDEN_BY_SAME_HAND if entries > 1 else JointState.VISIBLE
        states[joint] = JointState.HIDDEN_BY_OTHER_HAND if other < own else hidden
        margins[joint] = min(margin, other_margin)
    return states, margins


def hits(
    vertices: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "m 3"],
    origin: Float[np.ndarray, "3"],
    target: Float[np.ndarray, "3"],
) -> tuple[float, int, float]:
    """Where the line from origin (0) to target (1) first meets a surface, how often it enters, how near edges come."""
    a, b, c = vertices.astype(np.float64)[faces].transpose(1, 0, 2)
    ray, e1, e2 = target - origin, b - a, c - a
    p = np.cross(ray, e2)
    determinant = (e1 * p).sum(1)
    s = origin - a
    q = np.cross(s, e1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v, t = (s * p).sum(1) / determinant, q @ ray / determinant, (q * e2).sum(1) / determinant
        share = np.where((t > 0) & (t < 1), np.minimum(np.minimum(u, v), 1 - u - v), -np.inf)
    hit = share >= 0
    entering = np.sort(t[hit & (determinant > 0)])
    entries = int((np.diff(entering, prepend=-1.0) > SAME_PLACE).sum())
    return float(t[hit].min(initial=np.inf)), entries, float(np.abs(share).min())


def _tip_normals(vertices: np.ndarray, faces: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """Outward normals at the vertices nearest to the tips: the faces around each, weighted by area."""
    normals = []
    for tip in tips:
        nearest = int(((vertices - tip) ** 2).sum(1).argmin())
        around = vertices[faces[(faces == nearest).any(1)]]
        total = np.cross(around[:, 1] - around[:, 0], around[:, 2] - around[:, 0]).sum(0)
        normals.append(total / np.linalg.norm(total))
    return np.array(normals)

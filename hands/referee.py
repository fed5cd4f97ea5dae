"""Exact judgement of a two-hand pose: inside tests by pysdf, distances by exact point–triangle geometry.

pysdf's `contains` is exact, its distances are not; so it only says which vertices are inside. It is imported when a
judgement is asked for, so that this package loads without it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.anatomy import hand_pose_to_angles, joint_frames, limit_excess
from hands.joints import Side
from hands.mesh import close_wrist
from hands.model import HandModel
from hands.pose import TwoHandPose

CONTACT = 0.003
"""Vertices closer than this to the other hand's surface are in contact, metres."""
NEAR = 0.01
"""Distances are computed exactly up to this; beyond it only the nearest vertex is used, metres."""


@dataclass(frozen=True)
class Interaction:
    """How two hands meet."""

    min_distance_mm: float
    """Smallest distance between a vertex of one hand and the surface of the other; 0 when one is inside."""
    max_penetration_mm: float
    """Depth of the deepest vertex below the other hand's surface."""
    contact_vertices: int
    """Vertices of both hands within 3 mm of the other's surface, or inside it."""
    limit_excess_deg: float
    """Largest angle outside Table 2, over both hands; twist included."""


def judge(poses: TwoHandPose, hands: dict[Side, HandModel]) -> list[Interaction]:
    """One exact verdict a pose, in float64."""
    closed, excess = {}, torch.zeros(len(poses), dtype=torch.float64)
    for side in Side:
        model = HandModel(hands[side].arrays, torch.float64)
        pose = poses.side(side).to(torch.float64)
        closed[side] = close_wrist(pose.pose(model).vertices, model.faces)
        angles = limit_excess(hand_pose_to_angles(pose.hand_pose, joint_frames(model)))
        excess = torch.maximum(excess, angles.abs().flatten(1).amax(1))
    return [
        _judge_one({s: (v[i], f) for s, (v, f) in closed.items()}, float(torch.rad2deg(excess[i])))
        for i in range(len(poses))
    ]


def _judge_one(hand: dict[Side, tuple[Tensor, Tensor]], excess_deg: float) -> Interaction:
    distances, depths = [], []
    for side in Side:
        query = hand[side][0][:-1]
        vertices, faces = hand[side.other]
        distance = distance_to_surface(query, vertices, vertices[faces])
        inside = contains(query, vertices, faces.numpy())
        distances.append(torch.where(inside, 0.0, distance))
        depths.append(torch.where(inside, distance, 0.0))
    distance, depth = torch.cat(distances), torch.cat(depths)
    return Interaction(
        min_distance_mm=1e3 * float(distance.min()),
        max_penetration_mm=1e3 * float(depth.max()),
        contact_vertices=int((distance <= CONTACT).sum()),
        limit_excess_deg=excess_deg,
    )


def contains(points: Float[Tensor, "n 3"], vertices: Float[Tensor, "v 3"], faces: np.ndarray) -> Bool[Tensor, "n"]:
    """Which points are inside a watertight mesh."""
    from pysdf import SDF

    sdf = SDF(vertices.numpy().astype(np.float32), faces.astype(np.uint32))
    return torch.as_tensor(sdf.contains(points.numpy().astype(np.float32)))


def distance_to_surface(
    points: Float[Tensor, "n 3"], vertices: Float[Tensor, "v 3"], triangles: Float[Tensor, "f 3 3"]
) -> Float[Tensor, "n"]:
    """Unsigned distance in metres: exact below `NEAR`, an upper bound beyond it."""
    distance = torch.cdist(points, vertices).amin(1)
    centre, size = triangles.mean(1), (triangles - triangles.mean(1, keepdim=True)).norm(dim=-1).amax()
    rows = (distance < NEAR + size).nonzero()[:, 0]
    if len(rows):
        reachable = torch.cdist(points[rows], centre).amin(0) < NEAR + size
        distance[rows] = point_triangle_distance(points[rows], triangles[reachable]).amin(1)
    return distance


def point_triangle_distance(points: Float[Tensor, "n 3"], triangles: Float[Tensor, "f 3 3"]) -> Float[Tensor, "n f"]:
    """Exact distance of every point to every triangle, metres."""
    corners = triangles.unbind(1)
    normal = torch.nn.functional.normalize(
        torch.linalg.cross(corners[1] - corners[0], corners[2] - corners[0], dim=-1), dim=-1
    )
    nearest_edge = torch.full((len(points), len(triangles)), torch.inf, dtype=points.dtype)
    above_face = torch.ones(len(points), len(triangles), dtype=torch.bool)
    for k in range(3):
        start, edge = corners[k], corners[(k + 1) % 3] - corners[k]
        offset = points[:, None] - start
        along = ((offset * edge).sum(-1) / edge.square().sum(-1)).clamp(0, 1)
        nearest_edge = torch.minimum(nearest_edge, (offset - along[..., None] * edge).norm(dim=-1))
        above_face &= (torch.linalg.cross(edge, normal, dim=-1) * offset).sum(-1) <= 0
    plane = ((points[:, None] - corners[0]) * normal).sum(-1).abs()
    return torch.where(above_face, plane, nearest_edge)

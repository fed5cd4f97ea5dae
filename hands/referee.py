"""Exact judgement of two-hand poses. Which vertices are inside is pysdf's answer, how deep is a hierarchy's (closest point).

pysdf counts crossings: exact, but a vertex where a hand runs through itself is crossed twice and counted out. Such a
vertex sees the closest surface from behind; its solid angle decides. pysdf's own distances are approximate and not used.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hands.anatomy import hand_pose_to_angles, joint_frames, limit_excess
from hands.joints import Side
from hands.model import HandModel
from hands.parts import subdivide
from hands.pose import TwoHandPose
from hands.surface_bvh import SurfaceTree

CONTACT = 0.003
"""Vertices closer than this to the other hand's surface are in contact, metres."""
TOUCH = 1e-4
"""Closer to the surface than this, inside and outside are not told apart, metres."""


@dataclass(frozen=True)
class Interaction:
    """How two hands meet."""

    min_distance_mm: float
    """Smallest distance between a vertex of one hand and the surface of the other; 0 when one is inside."""
    max_penetration_mm: float
    """Depth of the deepest vertex below the other hand's surface."""
    contact_vertices: int
    """Vertices of both hands within 3 mm of the other's surface, or inside it."""
    contact: dict[Side, Int[np.ndarray, "_"]]
    """Which vertices of each hand those are, in order."""
    limit_excess_deg: float
    """Largest angle outside Table 2, over both hands; twist included."""


class Referee:
    """Judges poses of one pair of hands; built once, because a hierarchy is costly to build and cheap to refit."""

    def __init__(self, hands: dict[Side, HandModel]) -> None:
        self.models = {side: HandModel(hands[side].arrays, torch.float64) for side in Side}
        parts = {side: subdivide(hands[side].arrays) for side in Side}
        self.parts = parts
        self.faces = {side: torch.as_tensor(parts[side].surface) for side in Side}
        self.trees = {side: SurfaceTree.build(hands[side], parts[side], torch.device("cpu")) for side in Side}

    def judge(self, poses: TwoHandPose) -> list[Interaction]:
        """One verdict a pose."""
        exact = poses.to(torch.float64)
        vertices = {side: self._closed(exact, side) for side in Side}
        excess = torch.stack([self._limit_excess(exact, side) for side in Side]).amax(0)
        return [
            self._judge_one({side: vertices[side][row] for side in Side}, float(excess[row]))
            for row in range(len(poses))
        ]

    def _closed(self, poses: TwoHandPose, side: Side) -> Float[Tensor, "b w 3"]:
        posed = poses.side(side).pose(self.models[side]).vertices
        centre = posed[:, self.parts[side].rings[0]].mean(1, keepdim=True)
        return torch.cat([posed, centre], dim=1)

    def _limit_excess(self, poses: TwoHandPose, side: Side) -> Float[Tensor, "b"]:
        angles = hand_pose_to_angles(poses.side(side).hand_pose, joint_frames(self.models[side]))
        return torch.rad2deg(limit_excess(angles).abs().flatten(1).amax(1))

    def _judge_one(self, hand: dict[Side, Float[Tensor, "w 3"]], excess_deg: float) -> Interaction:
        measured = {side: self._measure(hand, side) for side in Side}
        distances = {side: torch.where(inside, 0.0, away) for side, (away, inside) in measured.items()}
        contact = {side: (near <= CONTACT).nonzero()[:, 0].numpy() for side, near in distances.items()}
        depth = torch.cat([torch.where(inside, away, 0.0) for away, inside in measured.values()])
        return Interaction(
            min_distance_mm=1e3 * min(float(near.min()) for near in distances.values()),
            max_penetration_mm=1e3 * float(depth.max()),
            contact_vertices=sum(map(len, contact.values())),
            contact=contact,
            limit_excess_deg=excess_deg,
        )

    def _measure(
        self, hand: dict[Side, Float[Tensor, "w 3"]], side: Side
    ) -> tuple[Float[Tensor, "v"], Bool[Tensor, "v"]]:
        """Distance of one hand's vertices to the other's surface in metres, and which of them are inside."""
        query, surface, faces = hand[side][:-1], hand[side.other], self.faces[side.other]
        tree = self.trees[side.other]
        tree.place(surface)
        found = tree.closest(query)
        inside = contains(query, surface, faces)
        behind = found.height < 0
        doubtful = (behind & ~inside & (found.distance > TOUCH)).nonzero()[:, 0]
        if len(doubtful):
            inside[doubtful] = winding_number(query[doubtful], surface[faces]) > 0.5
        return found.distance.double(), inside


def judge(poses: TwoHandPose, hands: dict[Side, HandModel]) -> list[Interaction]:
    """One exact verdict a pose; many batches of the same hands are quicker with a `Referee` of your own."""
    return Referee(hands).judge(poses)


def contains(
    points: Float[Tensor, "n 3"], vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]
) -> Bool[Tensor, "n"]:
    """Which points a watertight mesh encloses an odd number of times."""
    from pysdf import SDF

    sdf = SDF(vertices.numpy().astype(np.float32), faces.numpy().astype(np.uint32))
    return torch.as_tensor(sdf.contains(points.numpy().astype(np.float32)))


def winding_number(points: Float[Tensor, "n 3"], triangles: Float[Tensor, "f 3 3"]) -> Float[Tensor, "n"]:
    """How many times a closed surface winds around each point (van Oosterom & Strackee 1983, solid angles)."""
    a, b, c = (corner - points[:, None] for corner in triangles.unbind(1))
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    spanned = (a * torch.linalg.cross(b, c, dim=-1)).sum(-1)
    around = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return (2 * torch.atan2(spanned, around)).sum(-1) / (4 * math.pi)

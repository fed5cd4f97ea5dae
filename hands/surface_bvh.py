"""Closest points on posed hands by Warp's bounding volume hierarchy: exact, slower than `hands.penetration`, its referee.

It measures whole hands, closed at the wrist, one pose after another; nothing of the fast search is used here.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
import torch
import warp as wp
from jaxtyping import Float, Int
from torch import Tensor

from hands.joints import Side
from hands.kernels import in_turn, launch, start
from hands.model import HandModel
from hands.parts import HandParts
from hands.penetration import Memory, Penetration
from hands.skinning import PosedSurfaces, with_centres

REACH = 10.0
"""Nothing farther than this is looked for, metres."""


class ClosestPoints(NamedTuple):
    """For each vertex of one hand, the point of the other hand's surface that is closest to it."""

    distance: Float[Tensor, "q"]
    """Metres, never negative."""
    height: Float[Tensor, "q"]
    """Metres above the plane of that triangle: negative where the surface is seen from behind."""
    winding: Float[Tensor, "q"]
    """-1 where the surface winds around the vertex, which is inside; 1 elsewhere; 0 when not asked for."""
    face: Int[Tensor, "q"]
    """Triangle of the closed surface."""
    shares: Float[Tensor, "q 3"]
    """Barycentric coordinates of the point in that triangle."""


@dataclass(frozen=True, eq=False)
class SurfaceTree:
    """One hand's closed surface, refitted to each pose; float32."""

    mesh: wp.Mesh
    """Its points are the hand's own vertices and the centre of the wrist."""

    @staticmethod
    def build(model: HandModel, parts: HandParts, device: torch.device) -> "SurfaceTree":
        """A tree shaped by the flat hand; refitting it to a pose costs little, building it for each pose much."""
        start()
        rest = with_centres(model.arrays.v_template, parts)[: parts.hand_vertices + 1].astype(np.float32)
        points = wp.array(rest, dtype=wp.vec3, device=str(device))
        corners = wp.array(np.ascontiguousarray(parts.surface, np.int32).ravel(), dtype=wp.int32, device=str(device))
        return SurfaceTree(wp.Mesh(points, corners, support_winding_number=True))

    def place(self, vertices: Float[Tensor, "v 3"]) -> None:
        """Refit to a posed hand."""
        posed = vertices[: len(self.mesh.points)].float().contiguous()
        with in_turn(posed.device):
            self.mesh.points.assign(wp.from_torch(posed, dtype=wp.vec3))
            self.mesh.refit()

    def closest(self, points: Float[Tensor, "q 3"], wind: bool = False) -> ClosestPoints:
        """The closest point of the surface to each of `points`; `winding` is 0 unless asked for, which costs most."""
        query = points.float().contiguous()
        new = lambda *shape: torch.empty(len(query), *shape, device=query.device)  # noqa: E731
        distance, height, winding, shares = new(), new(), new(), new(3)
        face = torch.empty(len(query), dtype=torch.int32, device=query.device)
        launch(_query(), (len(query),), [self.mesh.id, int(wind), query, distance, height, winding, face, shares])
        return ClosestPoints(distance, height, winding, face.long(), shares)


@dataclass(frozen=True, eq=False)
class BvhSearch:
    """The same question and answer as `hands.penetration.Search` with depth `union`, by trees."""

    query: int
    surface: dict[Side, Int[Tensor, "g 3"]]
    trees: dict[Side, SurfaceTree]

    @staticmethod
    def build(models: dict[Side, HandModel], parts: dict[Side, HandParts], like: Tensor) -> "BvhSearch":
        """Trees on the device of `like`."""
        surface = {side: torch.as_tensor(parts[side].surface, device=like.device) for side in Side}
        trees = {side: SurfaceTree.build(models[side], parts[side], like.device) for side in Side}
        return BvhSearch(parts[Side.RIGHT].hand_vertices, surface, trees)

    def __call__(self, surfaces: PosedSurfaces, memory: Memory | None = None) -> Penetration:
        """Depths in posed hands, slopes to both."""
        depths = [[self._depth(pose, side) for side in Side] for pose in surfaces.vertices]
        depth = torch.stack([torch.stack(pair) for pair in depths])
        return Penetration(depth.sum((1, 2)), depth.detach())

    def _depth(self, vertices: Float[Tensor, "2 v 3"], side: Side) -> Float[Tensor, "q"]:
        h = list(Side).index(side)
        tree, query, other = self.trees[side.other], vertices[h, : self.query], vertices[1 - h]
        tree.place(other.detach())
        found = tree.closest(query.detach(), wind=True)
        corners = other[self.surface[side.other][found.face]]
        foot = (found.shares[..., None].to(corners) * corners).sum(1)
        inside = found.winding < 0
        offset = torch.where(inside[:, None], query - foot, 1.0)
        return torch.where(inside, offset.norm(dim=-1), 0.0)


@lru_cache
@no_type_check
def _query() -> wp.Kernel:
    @wp.kernel(module="unique", enable_backward=False)
    def closest(
        mesh: wp.uint64,
        wind: int,
        points: wp.array(dtype=wp.vec3),
        distance: wp.array(dtype=float),
        height: wp.array(dtype=float),
        winding: wp.array(dtype=float),
        face: wp.array(dtype=int),
        shares: wp.array(dtype=wp.vec3),
    ):
        i = wp.tid()
        found = wp.mesh_query_point_no_sign(mesh, points[i], wp.static(REACH))
        if wind != 0:
            found = wp.mesh_query_point_sign_winding_number(mesh, points[i], wp.static(REACH))
        foot = wp.mesh_eval_position(mesh, found.face, found.u, found.v)
        distance[i] = wp.length(points[i] - foot)
        height[i] = wp.dot(points[i] - foot, wp.mesh_eval_face_normal(mesh, found.face))
        winding[i] = found.sign * float(wind)
        face[i] = found.face
        shares[i] = wp.vec3(found.u, found.v, 1.0 - found.u - found.v)

    return closest

"""How deep each vertex of one hand lies inside the other, exactly and for many poses at once (RenderIH Eq. 2–4).

The search has three stages, each exact where the next begins: boxes around the posed parts decide which vertices can be
inside at all; spheres around clusters of vertices lead to the nearest vertex; the triangles around that vertex give the
closest point, and the sign. Nothing is precomputed on a grid, so any shape and any pose correctives are treated alike.
`hands.surface_bvh` answers the same question with a bounding volume hierarchy: the referee for this one.

Two readings of the paper are built in. `Union`: the depth below the surface of the whole hand. `Sum of parts`: Eq. 4 to the
letter, the depth in each closed part added up, where a vertex deep in a finger counts as close to the cut nearest to it.

Letters: b poses, 2 hands (right, left), v vertices (the hand's q and 16 fan centres, see `hands.parts`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hands.joints import Side
from hands.kernels import launch, real_of
from hands.model import HandModel
from hands.parts import PARTS, HandParts
from hands.penetration_kernels import kernels
from hands.skinning import PosedSurfaces, with_centres

CLUSTER = 12
"""Most triangles in one cluster."""


class Depth(StrEnum):
    """What the depth of a vertex in the other hand is."""

    UNION = "union"
    """Distance to the surface of the whole hand."""
    PARTS = "parts"
    """Sum over the 16 closed parts of the distance to each part's surface (Eq. 4 to the letter)."""


class Penetration(NamedTuple):
    """Result of a search, metres."""

    loss: Float[Tensor, "b"]
    """Sum of the depths of both hands' vertices: L_p of Eq. 3 or 4. Its slopes reach both hands."""
    depth: Float[Tensor, "b 2 q"]
    """Depth of each vertex of the right and the left hand in the other; 0 outside. Without slopes."""


@dataclass(frozen=True, eq=False)
class Search:
    """Tables of the search in the other hand, both hands stacked, unequal lengths padded at the end."""

    kind: Depth
    query: int
    """Vertices of a hand that ask: all but the fan centres."""
    part_first: Int[Tensor, "2 17"]
    """Where each part's clusters begin."""
    cluster_first: Int[Tensor, "2 _"]
    """Where each cluster's triangles begin."""
    triangle: Int[Tensor, "2 _ 3"]
    """Corners of the triangles: of the closed hand, or for `parts` of the closed parts, fans included."""
    box_first: Int[Tensor, "2 17"]
    """Where the vertices of each closed part begin."""
    box_vertex: Int[Tensor, "2 _"]

    @staticmethod
    def build(
        models: dict[Side, HandModel], parts: dict[Side, HandParts], like: Tensor, kind: Depth = Depth.UNION
    ) -> "Search":
        """Tables on the device of `like`."""
        lists = [_tables(models[side], parts[side], kind) for side in Side]
        stack = lambda rows: torch.as_tensor(_padded(rows), dtype=torch.int32, device=like.device)  # noqa: E731
        return Search(kind, parts[Side.RIGHT].hand_vertices, *(stack(rows) for rows in zip(*lists, strict=True)))

    def __call__(self, surfaces: PosedSurfaces, memory: "Memory | None" = None) -> Penetration:
        """Depths in posed hands; the parts' rotations and a memory of the same poses only make the search quick."""
        memory = memory or Memory()
        memory.follow(surfaces.vertices.detach(), self.query)
        return Penetration(*_Search.apply(self, memory, surfaces.vertices, surfaces.linear))


class Memory:
    """What a search knows of a batch from the step before: how far outside each vertex was, and where the hands were.

    Hands move less in a step than most vertices are apart, so that most need not be looked at. Results are the same, but
    for vertices within a hand that runs through itself: seen from outside an inner sheet, they stay outside for as long.
    """

    margin: Float[Tensor, "b 2 q"]
    moved: Float[Tensor, "b"]

    def __init__(self) -> None:
        self._before: Tensor | None = None

    def follow(self, vertices: Float[Tensor, "b 2 v 3"], query: int) -> None:
        """Take note of how far the hands have moved: the sum of both hands' largest steps of a vertex, and a little more."""
        if self._before is None:
            self.margin = torch.full_like(vertices[:, :, :query, 0], -1.0)
            self.moved = torch.zeros_like(vertices[:, 0, 0, 0])
        else:
            longest = torch.zeros_like(vertices[:, :, 0, 0])
            launch(kernels(real_of(vertices))["step"], vertices.shape[:3], [self._before, vertices, longest])
            self.moved = 1.001 * longest.sum(-1) + 1e-6
        self._before = vertices


MakeSearch = Callable[[dict[Side, HandModel], dict[Side, HandParts], Tensor], Callable[[PosedSurfaces], Penetration]]
"""Builds something that answers as `Search` does, from hand models, their parts, and a tensor of the wanted kind."""


def _padded(rows: tuple[np.ndarray, ...]) -> np.ndarray:
    longest = max(map(len, rows))
    return np.stack([np.pad(row, [(0, longest - len(row))] + [(0, 0)] * (row.ndim - 1), "edge") for row in rows])


def _tables(model: HandModel, parts: HandParts, kind: Depth) -> tuple[np.ndarray, ...]:
    rest = with_centres(model.arrays.v_template, parts)
    part_first, cluster_first, triangle, box_first, box_vertex = [0], [0], [], [0], []
    for part, mesh in enumerate(parts.meshes):
        for cluster in _split(mesh if kind is Depth.PARTS else parts.skin_of(part), rest):
            triangle.extend(cluster)
            cluster_first.append(len(triangle))
        part_first.append(len(cluster_first) - 1)
        box_vertex.extend(np.unique(mesh))
        box_first.append(len(box_vertex))
    return tuple(map(np.array, (part_first, cluster_first, triangle, box_first, box_vertex)))


def _split(faces: Int[np.ndarray, "f 3"], rest: Float[np.ndarray, "v 3"]) -> list[Int[np.ndarray, "_ 3"]]:
    """Halved across the longest extent until a cluster is small."""
    if len(faces) <= CLUSTER:
        return [faces]
    middles = rest[faces].mean(1)
    ordered = faces[np.argsort(middles[:, np.ptp(middles, axis=0).argmax()], kind="stable")]
    half = len(ordered) // 2
    return _split(ordered[:half], rest) + _split(ordered[half:], rest)


class _Search(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tables: Search, memory: Memory, vertices: Tensor, linear: Tensor) -> tuple[Tensor, Tensor]:
        posed, turned = vertices.detach().contiguous(), linear.detach().contiguous()
        run, count = kernels(real_of(posed)), len(posed)
        new = lambda *shape: torch.empty(count, 2, *shape, dtype=posed.dtype, device=posed.device)  # noqa: E731
        clusters, triangles = tables.cluster_first.shape[1] - 1, tables.triangle.shape[1]
        boxes, balls = (
            [new(PARTS, 3), new(PARTS, 3), new(PARTS, 4)],
            [new(PARTS, 4), new(clusters, 4), new(triangles, 4)],
        )
        low, high = new(PARTS, 3), new(PARTS, 3)
        lists = [tables.part_first, tables.cluster_first, tables.triangle]
        launch(run["box"], (count, 2, PARTS), [tables.box_first, tables.box_vertex, posed, turned, *boxes, low, high])
        launch(run["bound"], (count, 2, PARTS), [*lists, posed, *balls])
        depth, slope = torch.zeros_like(posed[:, :, : tables.query, 0]), torch.zeros_like(posed)
        parts = tables.kind is Depth.PARTS
        remembered = [] if parts else [memory.moved, memory.margin]
        arguments = [*lists, low.amin(2), high.amax(2), posed, turned, *boxes, *balls, *remembered, depth, slope]
        launch(run["parts" if parts else "hand"], (count, 2, tables.query), arguments)
        ctx.save_for_backward(slope)
        ctx.mark_non_differentiable(depth)
        return depth.sum((1, 2)), depth

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[None, None, Tensor, None]:
        (slope,) = ctx.saved_tensors
        return None, None, slopes[0][:, None, None, None] * slope, None

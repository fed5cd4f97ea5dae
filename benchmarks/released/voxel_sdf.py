"""Penetration as the release measures it: a 32³ grid over the whole closed hand, rebuilt in every iteration.

Each hand is scaled into the cube [−1, 1]³. A voxel inside the hand holds its distance to the surface, a voxel outside 0;
inside means that the ray from the voxel to the cube's lowest corner crosses the surface an odd number of times. Two
evaluators give the same values: `brute_force` tests every voxel against every triangle as the release's CUDA kernel
does, `bvh` asks a bounding volume hierarchy and is there to run whole optimisations in bearable time.
"""

from collections.abc import Callable
from typing import no_type_check

import torch
import warp as wp
from jaxtyping import Float, Int
from torch import Tensor

from hands.kernels import launch, start

SIZE = 32
CORNER = -1.0
"""Each coordinate of the corner of the cube to which all rays run."""
MARGIN = 1.1
"""The cube's edge over the largest extent of the hand."""
CHUNK = 64
"""Voxels that `brute_force` treats at once: its tables then stay in a core's cache."""

Evaluator = Callable[[Float[Tensor, "n 3"], Float[Tensor, "v 3"], Int[Tensor, "f 3"]], Float[Tensor, "n"]]
"""(voxels, vertices of a closed mesh in the cube, faces) → value of each voxel."""


def penetration_loss(
    query: Float[Tensor, "b n 3"],
    closed: Float[Tensor, "b v 3"],
    faces: Int[Tensor, "f 3"],
    evaluate: Evaluator,
    shifted: bool,
) -> Float[Tensor, "b"]:
    """A quarter of the sum of the other hand's grid at the query vertices, in half-edges of its cube.

    `closed` comes without gradient, so slopes reach the query only. The release visits the 16 parts of the query hand in
    turn, so that vertices on the seams between parts count two or three times; here each counts once.
    """
    values, _ = grid_values(query, closed, faces, evaluate, shifted)
    return values.sum(-1) / 4


def grid_values(
    query: Float[Tensor, "b n 3"],
    closed: Float[Tensor, "b v 3"],
    faces: Int[Tensor, "f 3"],
    evaluate: Evaluator,
    shifted: bool,
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b"]]:
    """The grid's value at each query vertex, in half-edges of the cube, and those half-edges in the unit of `closed`."""
    low, high = closed.amin(1), closed.amax(1)
    centre, half = (low + high)[:, None] / 2, MARGIN / 2 * (high - low).amax(-1)[:, None, None]
    local = ((closed - centre) / half).float()
    points = voxels(shifted)
    grids = torch.stack([evaluate(points, vertices, faces).view(SIZE, SIZE, SIZE) for vertices in local])
    where = ((query - centre) / half)[:, :, None, None]
    values = torch.nn.functional.grid_sample(grids[:, None].to(query), where, align_corners=True)
    return values[:, 0, :, 0, 0], half[:, 0, 0]


def voxels(shifted: bool) -> Float[Tensor, "n 3"]:
    """Where the grid is evaluated, x fastest.

    Sampling takes node i to be at −1 + 2i/31; the release's kernel evaluates it half a voxel further on (`shifted`).
    """
    axis = -1 + (torch.arange(SIZE) + 0.5 * shifted) * 2 / (SIZE - 1)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack([x, y, z], dim=-1).view(-1, 3)


def brute_force(
    points: Float[Tensor, "n 3"], vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]
) -> Float[Tensor, "n"]:
    """Every voxel against every triangle."""
    table = _TriangleTable(vertices[faces])
    return torch.cat([table.depth(chunk) for chunk in points.split(CHUNK)])


class _TriangleTable:
    """Triangles as linear functions of a point, so that one matrix product evaluates all of them.

    Per triangle: the height over its plane; per edge, in that plane, how far along the edge and how far to its inner side;
    and per edge, on which side of the plane through that edge and the cube's corner.
    """

    def __init__(self, triangles: Float[Tensor, "f 3 3"]) -> None:
        triangles = triangles - CORNER
        following = triangles.roll(-1, dims=1)
        edge = following - triangles
        self.length = edge.norm(dim=-1).T[:, None]
        along = edge / self.length[:, 0].T[..., None]
        normal = torch.nn.functional.normalize(torch.linalg.cross(edge[:, 0], edge[:, 1], dim=-1), dim=-1)[:, None]
        inner = torch.linalg.cross(normal.expand_as(along), along, dim=-1)
        side = torch.linalg.cross(triangles, following, dim=-1)
        slopes = torch.cat([normal, along, inner, side], dim=1)
        origins = torch.cat([triangles[:, :1], triangles, triangles, torch.zeros_like(side)], dim=1)
        self.slopes = slopes.transpose(0, 1).reshape(-1, 3).T.contiguous()
        self.offsets = -(slopes * origins).sum(-1).T.reshape(-1)
        self.corner_above = (normal[:, 0] * triangles[:, 0]).sum(-1) < 0

    def depth(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n"]:
        """Distance to the surface for points inside it, else 0."""
        values = torch.addmm(self.offsets, points - CORNER, self.slopes).view(len(points), 10, -1).transpose(0, 1)
        height, along, inner, side = values[0], values[1:4], values[4:7], values[7:10]
        beyond = along - torch.minimum(along.clamp_min(0), self.length)
        to_edge = beyond.square_().addcmul_(inner, inner).amin(0)
        beside = to_edge.masked_fill_(inner.amin(0) >= 0, 0)
        distance = beside.addcmul_(height, height).amin(-1).sqrt()
        ahead = side > 0
        crossed = (ahead[0] == ahead[1]) & (ahead[1] == ahead[2]) & ((height > 0) != self.corner_above)
        return torch.where(crossed.sum(-1) % 2 == 1, distance, 0.0)


def bvh(points: Float[Tensor, "n 3"], vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "n"]:
    """The same values; voxels outside the hand's bounding box are outside the hand."""
    start()
    values = torch.zeros(len(points))
    mesh = wp.Mesh(wp.from_torch(vertices.contiguous(), dtype=wp.vec3), wp.from_torch(faces.int().flatten()))
    near = ((points >= vertices.amin(0)) & (points <= vertices.amax(0))).all(-1).nonzero()[:, 0]
    launch(_depth_kernel, (len(near),), [near.int(), points, int(mesh.id), values])
    return values


@wp.kernel(enable_backward=False)
@no_type_check
def _depth_kernel(
    rows: wp.array(dtype=int), points: wp.array(dtype=wp.vec3), mesh: wp.uint64, values: wp.array(dtype=float)
):
    row = rows[wp.tid()]
    point = points[row]
    if wp.mesh_query_ray_count_intersections(mesh, point, wp.vec3(-1.0, -1.0, -1.0) - point) % 2 == 1:
        query = wp.mesh_query_point_no_sign(mesh, point, 4.0)
        values[row] = wp.length(point - wp.mesh_eval_position(mesh, query.face, query.u, query.v))


EVALUATORS: dict[str, Evaluator] = {"brute": brute_force, "fast": bvh}

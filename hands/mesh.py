"""Small facts about a hand's triangles: its open wrist, its neighbours."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def wrist_loop(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "n"]:
    """The boundary vertices in order, such that a fan (loop[i+1], loop[i], centre) faces outwards.

    Raises:
        ValueError: the boundary is not one closed loop.
    """
    loops = boundary_loops(faces)
    if not loops:
        raise ValueError("the mesh is closed: it has no wrist boundary")
    if len(loops) > 1:
        edges = sum(map(len, loops))
        raise ValueError(f"the mesh has {edges} boundary edges but its first loop only {len(loops[0])}")
    return loops[0]


def boundary_loops(faces: Int[np.ndarray, "f 3"]) -> list[Int[np.ndarray, "_"]]:
    """The closed loops of edges that have a face on one side only, each in the direction of its faces.

    Raises:
        ValueError: two loops meet in one vertex.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {(int(a), int(b)) for a, b in edges}
    rim = [(a, b) for a, b in directed if (b, a) not in directed]
    following = dict(rim)
    if len(following) != len(rim):
        raise ValueError("two boundary loops of the mesh meet in one vertex")
    loops = []
    while following:
        loop = [min(following)]
        while (ahead := following.pop(loop[-1])) != loop[0]:
            loop.append(ahead)
        loops.append(np.array(loop))
    return loops


def close_wrist(
    vertices: Float[Tensor, "b v 3"], faces: Int[Tensor, "f 3"]
) -> tuple[Float[Tensor, "b v+1 3"], Int[Tensor, "g 3"]]:
    """A watertight hand: one more vertex at the boundary's centre and a fan of faces around it."""
    loop = torch.as_tensor(wrist_loop(faces.cpu().numpy()), device=faces.device)
    centre = torch.full_like(loop, vertices.shape[1])
    fan = torch.stack([loop.roll(-1), loop, centre], dim=1)
    return torch.cat([vertices, vertices[:, loop].mean(1, keepdim=True)], dim=1), torch.cat([faces, fan])


def adjacency(faces: Int[np.ndarray, "f 3"], vertex_count: int) -> Bool[np.ndarray, "v v"]:
    """Which vertices share an edge."""
    connected = np.zeros((vertex_count, vertex_count), dtype=bool)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        connected[faces[:, a], faces[:, b]] = connected[faces[:, b], faces[:, a]] = True
    return connected


def vertex_normals(vertices: Float[Tensor, "b v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "b v 3"]:
    """Unit outward normals, area-weighted."""
    corners = vertices[:, faces]
    face_normals = torch.linalg.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0], dim=-1)
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals = normals.index_add(1, faces[:, corner], face_normals)
    return torch.nn.functional.normalize(normals, dim=-1)

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
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {(int(a), int(b)) for a, b in edges}
    following = {a: b for a, b in directed if (b, a) not in directed}
    if not following:
        raise ValueError("the mesh is closed: it has no wrist boundary")
    loop = [min(following)]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    if len(loop) != len(following):
        raise ValueError(f"the mesh has {len(following)} boundary edges but its first loop only {len(loop)}")
    return np.array(loop)


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

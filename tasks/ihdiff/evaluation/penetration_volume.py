"""The volume that two hands share, exactly: a Boolean of closed surfaces.

A hand may run through itself; a Boolean of whole hands would count such a place twice. So the 16 closed parts of each hand
(`hands.parts`), which fill it once, are intersected with the other's, and what they share is united.
"""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dataset.errors import InputError
from hands.joints import Side
from hands.model import HandModel
from hands.parts import HandParts, subdivide
from hands.skinning import with_centres

ClosedMesh = tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]
"""Vertices in metres and outward faces of a watertight surface; vertices that no face uses are ignored."""


def penetration_volume_cm3(
    right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"], hands: dict[Side, HandModel]
) -> Float[Tensor, "b"]:
    """Volume inside both hands, closed at the wrist, cm³; vertices in metres. NaN where a coordinate is no number.

    Args:
        hands: the layers that posed the vertices, for their faces and parts.

    Raises:
        InputError: manifold3d is not installed.
    """
    parts = {side: subdivide(hands[side].arrays) for side in Side}
    finite = (right.isfinite() & left.isfinite()).flatten(1).all(1).tolist()
    volumes = [
        shared_volume_cm3(_closed_parts(one, parts[Side.RIGHT]), _closed_parts(other, parts[Side.LEFT]))
        if usable
        else torch.nan
        for one, other, usable in zip(right, left, finite, strict=True)
    ]
    return torch.tensor(volumes, dtype=right.dtype, device=right.device)


def shared_volume_cm3(one: list[ClosedMesh], other: list[ClosedMesh]) -> float:
    """Volume inside any mesh of the one and any of the other, cm³; each place counts once.

    Raises:
        InputError: manifold3d is not installed, or a mesh is not closed.
    """
    engine = _engine()
    solids, others = ([_solid(mesh, engine) for mesh in meshes] for meshes in (one, other))
    shared = [solid ^ another for solid in solids for another in others]
    return 1e6 * engine.Manifold.batch_boolean(shared, engine.OpType.Add).volume()


def _closed_parts(vertices: Float[Tensor, "v 3"], parts: HandParts) -> list[ClosedMesh]:
    points = with_centres(vertices.detach().cpu().double().numpy(), parts)
    return [(points, faces) for faces in parts.meshes]


def _solid(mesh: ClosedMesh, engine: ModuleType) -> Any:
    used, corners = np.unique(mesh[1], return_inverse=True)
    solid = engine.Manifold(engine.Mesh64(mesh[0][used], corners.reshape(-1, 3).astype(np.uint64)))
    if solid.status() != engine.Error.NoError:
        raise InputError(f"a surface has no volume ({solid.status().name}): give closed surfaces with finite vertices")
    return solid


def _engine() -> ModuleType:
    try:
        import manifold3d
    except ImportError as error:
        raise InputError(
            "penetration volumes need manifold3d; install it with: pip install 'render-ih[train]'"
        ) from error
    return manifold3d

"""The release's whole-hand grid in the place of our search: what ablations compare it with."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmarks.released.voxel_sdf import bvh, grid_values
from hands.joints import Side
from hands.model import HandModel
from hands.parts import HandParts
from hands.penetration import Memory, Penetration
from hands.skinning import PosedSurfaces


@dataclass(frozen=True, eq=False)
class VoxelSearch:
    """Answers as `hands.penetration.Search` does, with the release's values: shifted, and pushing the query hand alone."""

    query: int
    faces: tuple[Int[Tensor, "g 3"], Int[Tensor, "g 3"]]

    @staticmethod
    def build(models: dict[Side, HandModel], parts: dict[Side, HandParts], like: Tensor) -> "VoxelSearch":
        """For hands on the CPU."""
        return VoxelSearch(
            parts[Side.RIGHT].hand_vertices, tuple(torch.as_tensor(parts[side].surface) for side in Side)
        )

    def __call__(self, surfaces: PosedSurfaces, memory: Memory | None = None) -> Penetration:
        """Depths in metres, as the grid has them."""
        depths = torch.stack([self._depths(surfaces, h) for h in (0, 1)], dim=1)
        return Penetration(depths.sum((1, 2)), depths.detach())

    def _depths(self, surfaces: PosedSurfaces, h: int) -> Float[Tensor, "b q"]:
        closed = surfaces.vertices[:, 1 - h, : self.query + 1].detach()
        values, half = grid_values(surfaces.vertices[:, h, : self.query], closed, self.faces[1 - h], bvh, shifted=True)
        return values * half[:, None]

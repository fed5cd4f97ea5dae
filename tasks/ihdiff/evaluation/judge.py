"""How all tables measure hands: posed, checked for collisions, a batch at a time on one device."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.errors import InputError
from hands.joints import Side
from hands.model import HandModel
from hands.ray_collision import RayCollision
from models.ihdiff.diffusion import Schedule
from models.ihdiff.metrics import collision_percent
from models.ihdiff.representation import Surfaces, surfaces
from tasks.ihdiff.evaluation.penetration_volume import shared_volume_cm3

Hands = dict[Side, HandModel]
INSTALL = "IHDiff's noise schedule needs diffusers, which is not installed; pip install 'render-ih[train]'"


@dataclass(frozen=True, eq=False)
class Judge:
    """Poses and measures hands a batch at a time, on one device; what it returns is on the CPU."""

    hands: Hands
    search: RayCollision
    batch: int
    device: str

    @staticmethod
    def build(hands: Hands, batch: int, device: str) -> "Judge":
        """One search tree for all batches."""
        moved = {side: HandModel(model.arrays).to(device) for side, model in hands.items()}
        return Judge(moved, RayCollision.build(hands, batch, device), batch, device)

    @torch.no_grad()
    def meshes(self, x: Float[Tensor, "n 42 9"], betas: Float[Tensor, "n 20"]) -> Surfaces:
        """Both hands seen from the right wrist, metres."""
        parts = zip(x.split(self.batch), betas.split(self.batch), strict=True)
        posed = [surfaces(rows.to(self.device), shape.to(self.device), self.hands) for rows, shape in parts]
        return Surfaces(*(torch.cat(blocks).cpu() for blocks in zip(*posed, strict=True)))

    @torch.no_grad()
    def collisions(self, meshes: Surfaces) -> Float[Tensor, "n"]:
        """Share of vertices deeper than 3 mm in the other or their own hand, %; NaN where a coordinate is no number."""
        found = torch.full((len(meshes.right),), torch.nan)
        for rows in sound(meshes).nonzero()[:, 0].split(self.batch):
            right, left = (side[rows].to(self.device) for side in (meshes.right, meshes.left))
            found[rows] = collision_percent(self.search.offsets(right, left)).cpu()
        return found


def sound(meshes: Surfaces) -> Tensor:
    """Which pairs consist of finite numbers."""
    return meshes.both.isfinite().flatten(1).all(1)


def require_volumes() -> None:
    """Find out before hours of sampling that volumes cannot be computed.

    Raises:
        InputError: manifold3d is not installed.
    """
    shared_volume_cm3([], [])


def schedule(steps: int) -> Schedule:
    """The way from noise to hands.

    Raises:
        InputError: diffusers is not installed.
    """
    try:
        return Schedule(steps)
    except ModuleNotFoundError as error:
        raise InputError(INSTALL) from error

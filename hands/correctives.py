"""MANO's pose-corrective blend shapes for both hands of a batch; the free hand has none."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hands.anatomy import angles_to_rotations
from hands.joints import Side
from hands.model import HandModel
from hands.parts import HandParts
from hands.skinning import Skeletons, with_centres

CHUNK = 32
"""Poses in one matrix product: always so many, because the last digits of a product depend on its size."""


@dataclass(frozen=True, eq=False)
class Correctives:
    """Displacements of the rest surface that follow the finger rotations."""

    frames: Float[Tensor, "2 15 3 3"]
    directions: Float[Tensor, "2 135 w"]

    @staticmethod
    def build(
        models: dict[Side, HandModel], parts: dict[Side, HandParts], skeletons: Skeletons
    ) -> "Correctives | None":
        """None for hands whose `posedirs` are all zero."""
        if not any(np.any(models[side].arrays.posedirs) for side in Side):
            return None
        rows = [with_centres(models[side].arrays.posedirs, parts[side]).reshape(-1, 135).T.copy() for side in Side]
        return Correctives(skeletons.frames, torch.as_tensor(np.stack(rows)).to(skeletons.frames))

    def __call__(self, angles: Float[Tensor, "b 2 15 3"]) -> Float[Tensor, "b 2 v 3"]:
        """Displacements in metres; slopes flow to the angles."""
        hands = [self._hand(angles[:, h].to(self.frames), h) for h in (0, 1)]
        return torch.stack(hands, dim=1)

    def _hand(self, angles: Float[Tensor, "b 15 3"], h: int) -> Float[Tensor, "b v 3"]:
        eye = torch.eye(3, dtype=angles.dtype, device=angles.device)
        features = (angles_to_rotations(angles, self.frames[h]) - eye).flatten(1)
        missing = -len(features) % CHUNK
        padded = torch.nn.functional.pad(features, (0, 0, 0, missing))
        products = [chunk @ self.directions[h] for chunk in padded.split(CHUNK)]
        return torch.cat(products)[: len(features)].unflatten(1, (-1, 3))

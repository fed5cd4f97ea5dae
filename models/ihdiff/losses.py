"""What the denoising network is trained to minimise (Eq. 3–5); the VAE baseline shares it.

The paper gives the terms and not how they are reduced. Here each hand's term is the mean over its entries and over the batch,
and both hands are added; lengths are metres. The collision loss is summed over vertices (a mean of 1,556 would vanish beside
the rest) and averaged over the batch. Entries of the matrix that never vary take no part: the networks leave them 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.joints import Side
from hands.model import HandModel
from models.ihdiff.network import CleanHands
from models.ihdiff.representation import JOINTS, Standard, constant_entries, surfaces

Offsets = Callable[[Float[Tensor, "b v 3"], Float[Tensor, "b v 3"]], Float[Tensor, "b u 3"]]
"""From both hands' vertices to v − t of every vertex that collides, zero for the others: `hands.ray_collision`."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; the paper's are all 1 but the last."""

    joints: float = 1.0
    """Of L_J, metres."""
    rotations: float = 1.0
    """Of L_Θ, entries of 6D rotations."""
    vertices: float = 1.0
    """Of L_V, metres."""
    shape: float = 1.0
    """Of L_γ, shape coefficients."""
    collision: float = 0.1
    """Of L_col, metres summed over vertices; 0: not computed."""
    collision_share: float = 1.0
    """Share of a batch, the least noised hands, in which collisions are looked for; the others count as free of them."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        for name in ("joints", "rotations", "vertices", "shape", "collision"):
            if getattr(self, name) < 0:
                raise ValueError(f"losses.{name} is {getattr(self, name)}, must be 0 or more")
        if not 0 < self.collision_share <= 1:
            raise ValueError(f"losses.collision_share is {self.collision_share}, must lie above 0 and not above 1")


@dataclass(frozen=True, eq=False)
class Truth:
    """The hands that were noised."""

    x: Float[Tensor, "b 42 9"]
    """Metres and rotations, not scaled."""
    betas: Float[Tensor, "b 20"]


class Losses:
    """Computes the terms for one pair of hand models."""

    def __init__(
        self, config: LossConfig, standard: Standard, hands: dict[Side, HandModel], offsets: Offsets | None = None
    ) -> None:
        """`offsets` finds collisions; without it L_col is left out."""
        self.config, self.standard, self.hands = config, standard, hands
        self.offsets = offsets if config.collision else None

    def __call__(self, clean: CleanHands, truth: Truth, cleanest: Float[Tensor, "b"]) -> dict[str, Float[Tensor, ""]]:
        """Weighted terms by name; their sum is what is minimised.

        Args:
            clean: what the network believes.
            cleanest: how little each of the hands was noised, to choose those in which collisions are looked for.
        """
        with torch.autocast(clean.scaled.device.type, enabled=False):  # surfaces need all of float32
            return self._terms(clean.scaled.float(), clean.betas.float(), truth, cleanest)

    def _terms(
        self, scaled: Float[Tensor, "b 42 9"], betas: Float[Tensor, "b 20"], truth: Truth, cleanest: Float[Tensor, "b"]
    ) -> dict[str, Float[Tensor, ""]]:
        x, weights = self.standard.restore(scaled), self.config
        believed = surfaces(x, betas, self.hands)
        with torch.no_grad():
            true = surfaces(truth.x, truth.betas, self.hands)
        varies = ~constant_entries().to(x.device)
        apart = (x - truth.x).abs()
        terms = {
            "joints": weights.joints * _both(apart, varies, slice(0, 3)),
            "rotations": weights.rotations * _both(apart, varies, slice(3, 9)),
            "vertices": weights.vertices
            * ((believed.right - true.right).abs().mean() + (believed.left - true.left).abs().mean()),
            "shape": weights.shape * 2 * (betas - truth.betas).abs().mean(),
        }
        if self.offsets:
            rows = cleanest.argsort(descending=True)[: max(1, round(weights.collision_share * len(x)))]
            found = self.offsets(believed.right[rows], believed.left[rows])
            terms["collision"] = weights.collision * found.abs().sum() / len(x)
        return terms


def _both(apart: Float[Tensor, "b 42 9"], varies: Bool[Tensor, "42 9"], columns: slice) -> Float[Tensor, ""]:
    """Mean over a hand's varying entries of some columns, both hands added."""
    hands = zip(apart[..., columns].split(JOINTS, dim=1), varies[:, columns].split(JOINTS), strict=True)
    return sum(hand[:, mask].mean() for hand, mask in hands)

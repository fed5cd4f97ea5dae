"""The baseline that learns nothing: the hands of a bank whose joints are nearest to the observed ones (§5.4, "NN search")."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hands.joints import Side
from hands.model import HandModel
from models.ihdiff.representation import surfaces

_BLOCK_BYTES = 64 * 2**20
"""Memory of one block of distances."""
_EXACT = "donot_use_mm_for_euclid_dist"
"""The quicker mode takes the difference of squares, and loses tenths of a millimetre."""


class Nearest(NamedTuple):
    """What was found for each hand pair."""

    rows: Int[Tensor, "b"]
    """Of the bank; the first one of several as near."""
    distance: Float[Tensor, "b"]
    """Mean distance of the seen joints, metres."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Hands to choose from."""

    x: Float[Tensor, "n 42 9"]
    """Metres and rotations."""
    betas: Float[Tensor, "n 20"]
    joints: Float[Tensor, "n 42 3"]
    """Of the posed surfaces, seen from the right wrist, metres."""

    @staticmethod
    def of(x: Float[Tensor, "n 42 9"], betas: Float[Tensor, "n 20"], hands: dict[Side, HandModel]) -> "Bank":
        """The bank of these hands."""
        return Bank(x, betas, joints_of(x, betas, hands))


@torch.no_grad()
def joints_of(
    x: Float[Tensor, "n 42 9"], betas: Float[Tensor, "n 20"], hands: dict[Side, HandModel], block: int = 256
) -> Float[Tensor, "n 42 3"]:
    """Joints of many posed surfaces, a block at a time, metres."""
    parts = zip(x.split(block), betas.split(block), strict=True)
    return torch.cat([surfaces(part, shape, hands).joints for part, shape in parts])


@torch.no_grad()
def find_nearest(
    bank: Float[Tensor, "n 42 3"], joints: Float[Tensor, "b 42 3"], seen: Bool[Tensor, "b 42"] | None = None
) -> Nearest:
    """The row of the bank with the smallest mean distance over the seen joints, by comparing with all of it.

    Raises:
        ValueError: the bank is empty, or nothing is seen of some pair.
    """
    seen = torch.ones_like(joints[..., 0], dtype=torch.bool) if seen is None else seen
    if not len(bank):
        raise ValueError("the bank to search holds no hands: give some")
    if not seen.any(-1).all():
        rows = (~seen.any(-1)).nonzero()[:, 0].tolist()
        raise ValueError(f"of hand pair {rows[0]} no joint is seen: leave it out")
    shares = seen.to(joints) / seen.sum(-1, keepdim=True)
    asked = torch.where(seen[..., None], joints, 0.0).transpose(0, 1).contiguous()
    block = max(1, _BLOCK_BYTES // (asked[..., 0].numel() * bank.element_size()))
    best = Nearest(shares.new_zeros(len(joints), dtype=torch.long), shares.new_full((len(joints),), torch.inf))
    for first in range(0, len(bank), block):
        apart = torch.cdist(asked, bank[first : first + block].transpose(0, 1).contiguous(), compute_mode=_EXACT)
        distance, row = torch.einsum("jbn,bj->bn", apart, shares).min(-1)
        nearer = distance < best.distance
        best = Nearest(torch.where(nearer, first + row, best.rows), torch.where(nearer, distance, best.distance))
    return best

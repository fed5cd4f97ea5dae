"""Pulls hands apart that are stuck in each other: descent cannot, where both sides of a finger push it towards the other.

RenderIH's supplement (§2, Fig. 15 c) names the case, overlapping hands whose pairs and depths contradict each other, and
the cure: separate the hands first. The shortest way out is looked for along 26 directions, the smallest step first.
"""

from collections.abc import Callable
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hands.penetration import Penetration
from hands.skinning import PosedSurfaces

DIRECTIONS = torch.nn.functional.normalize(
    torch.tensor([d for d in product((-1.0, 0.0, 1.0), repeat=3) if any(d)], dtype=torch.float64), dim=-1
)
STEPS = (0.002, 0.004, 0.006, 0.008, 0.010, 0.013, 0.016, 0.020, 0.025, 0.030, 0.036, 0.043, 0.051, 0.060, 0.072, 0.086)
"""How far the hands are moved apart, metres, until one direction frees them."""
FREE = 0.001
"""Hands no deeper than this in each other count as free, metres."""

DepthSearch = Callable[[PosedSurfaces], Penetration]
"""`hands.penetration.Search`, or another engine that answers as it does."""


@torch.no_grad()
def ways_out(search: DepthSearch, surfaces: PosedSurfaces, stuck: Bool[Tensor, "b"]) -> Float[Tensor, "b 3"]:
    """Displacement of the right hand against the left that frees each stuck pose, metres; zero for all others."""
    moves = torch.zeros(len(stuck), 3, dtype=torch.float64, device=stuck.device)
    rows = stuck.nonzero()[:, 0]
    for step in STEPS:
        if not len(rows):
            break
        depth, direction = _deepest(search, surfaces, rows, step).min(-1)
        free = depth < FREE
        moves[rows[free]] = step * DIRECTIONS.to(moves.device)[direction[free]]
        rows = rows[~free]
    return moves


def _deepest(
    search: DepthSearch, surfaces: PosedSurfaces, rows: Int[Tensor, "n"], step: float
) -> Float[Tensor, "n 26"]:
    """Greatest depth of each pose after a step in each direction, half of it by each hand."""
    count = len(DIRECTIONS)
    vertices = surfaces.vertices[rows].repeat_interleave(count, dim=0)
    half = (DIRECTIONS * step / 2).to(vertices).repeat(len(rows), 1)[:, None]
    vertices[:, 0] += half
    vertices[:, 1] -= half
    turned = surfaces.linear[rows].repeat_interleave(count, dim=0)
    return search(PosedSurfaces(vertices, turned)).depth.amax((1, 2)).unflatten(0, (-1, count))

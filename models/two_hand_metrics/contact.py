"""Contact deviation (CDev): are the places where the hands touch together in the prediction, too?

ARCTIC (CVPR 2023) measures it between a hand and an object (github.com/zc-alexfan/arctic, src/utils/loss_modules.py), RenderIH
§5.1 between the hands, from the right hand alone (github.com/adwardlee/RenderIH, utils/eval_metrics.py).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

WITHIN = 0.003
"""Vertices that are no farther than this from the other hand's nearest one touch, metres."""


class Pairs(NamedTuple):
    """Vertices of one hand, and for each the nearest vertex of the other hand."""

    own: Int[Tensor, "k"]
    partner: Int[Tensor, "k"]


class Surfaces(NamedTuple):
    """Vertices of both hands in one frame, metres."""

    right: Float[Tensor, "b v 3"]
    left: Float[Tensor, "b u 3"]


class ContactDeviation(NamedTuple):
    """Millimetres for each image; no number where nothing touches."""

    right_to_left: Float[Tensor, "b"]
    """Over the right hand's touching vertices: RenderIH's."""
    left_to_right: Float[Tensor, "b"]

    @property
    def symmetric(self) -> Float[Tensor, "b"]:
        """Their mean. Where one hand touches, the other does."""
        return (self.right_to_left + self.left_to_right) / 2


def contact_deviation(predicted: Surfaces, true: Surfaces, within: float = WITHIN) -> ContactDeviation:
    """Mean distance, in the prediction, of vertices that touch in truth from the vertices that they touch.

    Each vertex that is within `within` metres of the other hand has the other hand's nearest vertex as its partner. No
    number where the truth is none.
    """
    rows = [_deviations(*row, within) for row in zip(*predicted, *true, strict=True)]
    return ContactDeviation(*(torch.stack(values) for values in zip(*rows, strict=True)))


def _deviations(
    right: Float[Tensor, "v 3"],
    left: Float[Tensor, "u 3"],
    true_right: Float[Tensor, "v 3"],
    true_left: Float[Tensor, "u 3"],
    within: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Of one image, both ways: the mean of nothing is no number."""
    of_right, of_left = touching(true_right, true_left, within)
    apart = right[of_right.own] - left[of_right.partner], left[of_left.own] - right[of_left.partner]
    return tuple(1e3 * way.norm(dim=-1).mean() for way in apart)


def touching(right: Float[Tensor, "v 3"], left: Float[Tensor, "u 3"], within: float) -> tuple[Pairs, Pairs]:
    """Vertices of each hand that touch the other, with their partners: from the right hand, and from the left one.

    What touches lies in the other hand's box or within that distance of it, so that nothing else needs to be looked at.
    """
    mine, theirs = _near(right, left, within), _near(left, right, within)
    if not (len(mine) and len(theirs)):
        nothing = Pairs(mine[:0], theirs[:0])
        return nothing, nothing
    apart = _distances(right[mine], left[theirs])
    (to_left, partner), (to_right, partner_right) = apart.min(1), apart.min(0)
    one, other = to_left <= within, to_right <= within
    return Pairs(mine[one], theirs[partner[one]]), Pairs(theirs[other], mine[partner_right[other]])


def _near(own: Float[Tensor, "v 3"], other: Float[Tensor, "u 3"], within: float) -> Int[Tensor, "n"]:
    """Vertices in the other hand's box, which is widened a little more than needed: borders are rounded."""
    low, high = other.amin(0) - 1.01 * within, other.amax(0) + 1.01 * within
    return ((own >= low) & (own <= high)).all(-1).nonzero()[:, 0]


def _distances(one: Float[Tensor, "n 3"], other: Float[Tensor, "m 3"]) -> Float[Tensor, "n m"]:
    """By differences: from squared norms, float32 cannot tell 2.9 mm from 3.1 mm between hands far from the origin."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")

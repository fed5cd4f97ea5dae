"""Attraction between hands: anchors on each surface, pairs of them, and the pull between the two of a pair."""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hands.mesh import adjacency

REACH = 0.02
"""s of Eq. 5, metres: pairs that start farther apart do not attract."""


class AnchorPairs(NamedTuple):
    """For each anchor of one hand: its partner on the other, and the stiffness k of the pair (0: no pair)."""

    partner: Int[Tensor, "b n"]
    stiffness: Float[Tensor, "b n"]


def select_anchors(
    faces: Int[np.ndarray, "f 3"], vertex_count: int, frequency: Float[np.ndarray, "v"] | None = None, hops: int = 2
) -> Int[np.ndarray, "n"]:
    """Vertices in order of contact frequency, each taken one silencing its neighbours up to `hops` edges away.

    RenderIH §3.1. Without frequencies every vertex counts the same and the anchors cover the whole hand evenly.
    """
    connected = adjacency(faces, vertex_count) | np.eye(vertex_count, dtype=bool)
    near = np.linalg.matrix_power(connected.astype(np.int64), hops) > 0
    order = np.arange(vertex_count) if frequency is None else np.argsort(-frequency, kind="stable")
    free, anchors = np.ones(vertex_count, dtype=bool), []
    for vertex in order:
        if free[vertex]:
            anchors.append(vertex)
            free &= ~near[vertex]
    return np.array(anchors)


def pair_anchors(
    anchors: Float[Tensor, "b n 3"],
    normals: Float[Tensor, "b n 3"],
    other: Float[Tensor, "b m 3"],
    other_normals: Float[Tensor, "b m 3"],
) -> AnchorPairs:
    """The nearest anchor of the other hand whose normal is opposed (supplement §2), with k from today's distance.

    k = ½ cos(π d / s) + ½ for d ≤ s, else 0 (Eq. 5).
    """
    distance = torch.cdist(anchors, other)
    opposed = normals @ other_normals.mT < 0
    distance, partner = torch.where(opposed, distance, torch.inf).min(-1)
    stiffness = 0.5 * torch.cos(math.pi / REACH * distance.clamp(max=REACH)) + 0.5
    return AnchorPairs(partner, stiffness)


def attraction_loss(
    anchors: Float[Tensor, "b n 3"], other: Float[Tensor, "b m 3"], pairs: AnchorPairs
) -> Float[Tensor, "b"]:
    """Σ ½ k ‖a − a'‖² over the pairs of each pose, in square metres (Eq. 5)."""
    partners = other.gather(1, pairs.partner[..., None].expand(-1, -1, 3))
    return 0.5 * (pairs.stiffness * (anchors - partners).square().sum(-1)).sum(-1)

"""Attraction between hands: anchors on each surface, pairs of them, and the pull between the two of a pair."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hands.joints import Side
from hands.mesh import adjacency, vertex_normals
from hands.model import HandModel
from hands.pose import TwoHandPose

REACH = 0.02
"""s of Eq. 5, metres: pairs that start farther apart do not attract."""


class AnchorPairs(NamedTuple):
    """For each anchor of one hand: its partner on the other, and the stiffness k of the pair (0: no pair)."""

    partner: Int[Tensor, "b n"]
    stiffness: Float[Tensor, "b n"]


@dataclass(frozen=True, eq=False)
class Anchors:
    """Vertices of each hand that attract the other hand's."""

    right: Int[np.ndarray, "n"]
    left: Int[np.ndarray, "m"]

    def of(self, side: Side) -> Int[np.ndarray, "_"]:
        """The anchors of one hand."""
        return self.right if side is Side.RIGHT else self.left

    @staticmethod
    def even(hands: dict[Side, HandModel]) -> "Anchors":
        """Anchors that cover each hand evenly, for a hand whose contact frequencies nobody has counted."""
        return Anchors.frequent(hands, {side: np.zeros(len(hands[side].v_template)) for side in Side})

    @staticmethod
    def frequent(hands: dict[Side, HandModel], frequency: dict[Side, Float[np.ndarray, "v"]]) -> "Anchors":
        """The vertices that touch the other hand most often, and gaps filled between them; see `contact_frequency`.

        Hands with one topology share their counts and so their anchors: what a vertex of one meets, the other's could.
        """
        faces = {side: hands[side].arrays.faces for side in Side}
        alike = len({_edges(faces[side]) for side in Side}) == 1
        counts = {side: frequency[side] + frequency[side.other] * alike for side in Side}
        return Anchors(*(select_anchors(faces[side], counts[side]) for side in Side))

    @staticmethod
    def every_vertex(hands: dict[Side, HandModel]) -> "Anchors":
        """All vertices: what the paper compares its anchors with (Fig. 16 c)."""
        return Anchors(*(np.arange(len(hands[side].v_template)) for side in Side))


def select_anchors(
    faces: Int[np.ndarray, "f 3"], frequency: Float[np.ndarray, "v"], hops: int = 2
) -> Int[np.ndarray, "n"]:
    """Vertices in order of contact frequency, each taken one silencing its neighbours up to `hops` edges away.

    RenderIH §3.1. Neighbours are walked depth first and each is passed once, so that a few vertices two edges away
    survive: that is what gives the paper's count of 108; silencing all of them leaves about 80.
    """
    neighbours = [np.flatnonzero(row).tolist() for row in adjacency(faces, len(frequency))]
    silent, anchors = np.zeros(len(frequency), dtype=bool), []
    for vertex in np.argsort(-frequency, kind="stable").tolist():
        if not silent[vertex]:
            anchors.append(vertex)
            _silence(vertex, hops, neighbours, silent)
    return np.array(anchors)


def _edges(faces: Int[np.ndarray, "f 3"]) -> bytes:
    return adjacency(faces, int(faces.max()) + 1).tobytes()


def _silence(vertex: int, hops: int, neighbours: list[list[int]], silent: Bool[np.ndarray, "v"]) -> None:
    silent[vertex] = True
    if hops:
        for near in neighbours[vertex]:
            if not silent[near]:
                _silence(near, hops - 1, neighbours, silent)


def contact_frequency(poses: TwoHandPose, hands: dict[Side, HandModel]) -> dict[Side, Float[np.ndarray, "v"]]:
    """In how many poses each vertex is within `REACH` of the other hand where the two surfaces face each other."""
    counts = {side: np.zeros(len(hands[side].v_template)) for side in Side}
    for row in range(len(poses)):
        surface = {side: poses[slice(row, row + 1)].side(side).pose(hands[side]).vertices for side in Side}
        normal = {side: vertex_normals(surface[side], hands[side].faces)[0] for side in Side}
        near = torch.cdist(surface[Side.RIGHT][0], surface[Side.LEFT][0]) < REACH
        meets = near & (normal[Side.RIGHT] @ normal[Side.LEFT].T < 0)
        counts[Side.RIGHT] += meets.any(1).numpy()
        counts[Side.LEFT] += meets.any(0).numpy()
    return counts


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

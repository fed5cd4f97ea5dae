"""What IHDiff's hands are measured by (IHDiff §5.2 and §5.4): vertex error, collisions, contact, diversity of meshes.

Metres in, millimetres or percent out. Letters: b samples, v vertices of one hand, u = 2 v vertices of both, right then left.
A coordinate that is no number makes every distance of its sample no number, so it shows; it never counts as good.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEAR = 0.003
"""Collisions deeper and contacts closer than this are counted (IHDiff §5.4), metres."""
AT_ONCE = 32
"""Samples whose vertex-to-vertex distances are in memory together."""


class Contact(NamedTuple):
    """Which vertices touch the other hand."""

    right: Bool[Tensor, "b v"]
    left: Bool[Tensor, "b v"]


class ContactScore(NamedTuple):
    """Vertices of each sample; sums over samples and batches give the micro average."""

    correct: Int[Tensor, "b"]
    """Annotated vertices that touch in the prediction too."""
    annotated: Int[Tensor, "b"]
    """Vertices that touch in the truth."""


def align_right_wrist(vertices: Float[Tensor, "b u 3"], wrist: Float[Tensor, "b 3"]) -> Float[Tensor, "b u 3"]:
    """Both hands moved so that the right wrist is the origin; no rotation, no scale (IHDiff §5.4)."""
    return vertices - wrist[:, None]


def vertex_error_mm(predicted: Float[Tensor, "b u 3"], truth: Float[Tensor, "b u 3"]) -> Float[Tensor, "b"]:
    """Mean Euclidean distance over all vertices of both hands, which are aligned already (IHDiff §5.4)."""
    return 1e3 * (predicted - truth).norm(dim=-1).mean(-1)


def collision_percent(offsets: Float[Tensor, "b u 3"], deeper: float = NEAR) -> Float[Tensor, "b"]:
    """Vertices farther than `deeper` metres from their target, of all vertices (IHDiff §5.4).

    Args:
        offsets: from target to vertex, zero where nothing collides (`hands.ray_collision`).
    """
    depth = offsets.norm(dim=-1)
    counted = (depth > deeper).to(depth.dtype)
    return 100 * torch.where(depth.isnan(), depth, counted).mean(-1)


def contact(right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"], within: float = NEAR) -> Contact:
    """Vertices whose nearest vertex of the other hand is closer than `within` metres (IHDiff §5.4).

    A vertex with a coordinate that is no number touches nothing, and nothing touches its hand.
    """
    chunks = [_nearest(*pair) for pair in zip(right.split(AT_ONCE), left.split(AT_ONCE), strict=True)]
    to_left, to_right = (torch.cat(distances) for distances in zip(*chunks, strict=True))
    return Contact(to_left < within, to_right < within)


def contact_score(predicted: Contact, truth: Contact) -> ContactScore:
    """Counts of both hands; where the prediction touches and the truth does not, it costs nothing (IHDiff §5.4)."""
    said, true = torch.cat(predicted, dim=1), torch.cat(truth, dim=1)
    return ContactScore((said & true).sum(1), true.sum(1))


def contact_accuracy_percent(score: ContactScore) -> float:
    """Correct contacts among all annotated vertices of all samples; NaN when nothing is annotated."""
    return (100 * score.correct.sum().double() / score.annotated.sum()).item()


def contact_accuracy_by_sample_percent(score: ContactScore) -> float:
    """Mean of the samples' own accuracies (macro average), of those with annotated vertices; NaN when there are none."""
    some = score.annotated > 0
    return (100 * score.correct[some].double() / score.annotated[some]).mean().item()


def average_pairwise_distance_mm(vertices: Float[Tensor, "n u 3"]) -> float:
    """APD: the mean vertex distance of two samples, averaged over all unordered pairs of samples (IHDiff §5.2).

    Samples are aligned already. Memory grows with n, not with n²; NaN for fewer than two samples.
    """
    rows = [(vertices[row + 1 :] - vertices[row]).norm(dim=-1).mean(-1) for row in range(len(vertices) - 1)]
    return 1e3 * torch.cat(rows or [vertices.new_empty(0)]).double().mean().item()


def _nearest(
    right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"]
) -> tuple[Float[Tensor, "b v"], Float[Tensor, "b v"]]:
    """Distance of each vertex to the other hand's nearest vertex, metres.

    By differences: from squared norms, float32 cannot tell 2.9 mm from 3.1 mm between hands far from the origin.
    """
    distance = torch.cdist(right, left, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.amin(2), distance.amin(1)

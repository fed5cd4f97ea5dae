"""How well generated hands cover real ones, on plain features: joints in millimetres, relative to the right wrist.

With joints of 42 × 3 coordinates as one feature, d = 126, the distance of two samples is √42 times the r.m.s. distance of their
joints.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

AT_ONCE = 1024
"""Rows of a distance matrix in memory together."""


class Coverage(NamedTuple):
    """Shares as in the papers: 0 to 1, density to above 1."""

    precision: float
    """Share of generated samples within a ball of a real one: are they realistic?"""
    recall: float
    """Share of real samples within a ball of a generated one: is everything generated?"""
    density: float
    """Real balls around a generated sample, divided by k: like precision, yet one real outlier cannot carry it."""


def precision_recall(generated: Float[Tensor, "n d"], real: Float[Tensor, "m d"], k: int = 3) -> Coverage:
    """Improved precision and recall (Kynkäänniemi et al. 2019, Eq. 1 and 2) and density (Naeem et al. 2020).

    A sample's ball reaches as far as the k-th nearest other sample of its own set; the rim is inside. A generated sample with
    a coordinate that is no number is in no ball, and no ball of its own holds anything.

    Raises:
        ValueError: a set has no more than k samples, or k is below 1.
    """
    if not 1 <= k < min(len(generated), len(real)):
        sizes = f"{len(generated)} generated and {len(real)} real samples"
        raise ValueError(f"k = {k} is not in 1 to one less than the samples of each set: there are {sizes}")
    around_generated = _balls_around(generated, real, k)
    return Coverage(
        precision=_share(around_generated > 0),
        recall=_share(_balls_around(real, generated, k) > 0),
        density=_share(around_generated) / k,
    )


def diversity_mm(features: Float[Tensor, "n d"], generator: torch.Generator, pairs: int = 200) -> float:
    """Mean Euclidean distance of random pairs of samples, as InterHandGen measures; here no sample is in two pairs.

    Raises:
        ValueError: `pairs` is below 1, or there are fewer than two samples for each pair.
    """
    if not 1 <= pairs <= len(features) // 2:
        raise ValueError(f"pairs = {pairs} is not in 1 to half the samples: there are {len(features)}")
    order = torch.randperm(len(features), generator=generator, device=generator.device).to(features.device)
    one, other = features[order[: 2 * pairs]].chunk(2)
    return (one - other).norm(dim=-1).mean().item()


def _balls_around(points: Float[Tensor, "n d"], centres: Float[Tensor, "m d"], k: int) -> Float[Tensor, "n"]:
    """How many of the centres' balls hold each point."""
    radii = torch.cat([_distances(rows, centres).kthvalue(k + 1).values for rows in centres.split(AT_ONCE)])
    held = [(_distances(rows, centres) <= radii).sum(1) for rows in points.split(AT_ONCE)]
    return torch.cat(held).to(points.dtype)


def _distances(rows: Float[Tensor, "n d"], points: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """By differences, so that a sample's distance to itself is exactly 0: its own first neighbour."""
    return torch.cdist(rows, points, compute_mode="donot_use_mm_for_euclid_dist")


def _share(values: Tensor) -> float:
    return values.double().mean().item()

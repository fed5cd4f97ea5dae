"""Shares with their uncertainty, and how far raters agree."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_NORMAL = 1.959963984540054
"""Of a normal distribution, 95 % lie within so many standard deviations."""
_DRAWS = 2000


class Interval(NamedTuple):
    """Between which a share lies in 95 of 100 studies."""

    low: float
    high: float


def wilson(part: int, whole: int) -> Interval | None:
    """95 % interval of a share by Wilson's score (1927), as if all answers were independent; None without answers."""
    if not whole:
        return None
    share, z2 = part / whole, _NORMAL**2
    middle = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = _NORMAL * np.sqrt(share * (1 - share) / whole + z2 / (4 * whole**2)) / (1 + z2 / whole)
    return Interval(max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def over_raters(counts: Int[np.ndarray, "raters 2"], random: np.random.Generator) -> Interval | None:
    """95 % interval of a share when raters, not answers, are drawn anew: the percentiles of a bootstrap of 2,000 draws.

    Args:
        counts: of each rater, answers that count for the share and all answers.
        random: of the draws.
    """
    counts = counts[counts[:, 1] > 0]
    if len(counts) < 2:
        return None
    times = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=_DRAWS)
    parts, wholes = (times @ counts).T
    low, high = np.percentile(parts / wholes, (2.5, 97.5))
    return Interval(float(low), float(high))


def agreement(counts: Int[np.ndarray, "items answers"]) -> float | None:
    """Share of pairs of raters who gave a question the same answer, the mean over questions; None without such pairs."""
    each = _of_each(counts)
    return float(each.mean()) if len(each) else None


def fleiss_kappa(counts: Int[np.ndarray, "items answers"]) -> float | None:
    """Fleiss' kappa (1971): agreement beyond what chance would give, 1 at most; None when it has no value.

    Questions may have been answered by different numbers of raters, those with fewer than two do not count.

    Args:
        counts: how many raters gave each answer to each question.
    """
    observed = agreement(counts)
    if observed is None:
        return None
    several = counts[counts.sum(1) > 1]
    shares = several.sum(0) / several.sum()
    chance = float((shares**2).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else None


def _of_each(counts: Int[np.ndarray, "items answers"]) -> Float[np.ndarray, "several"]:
    raters = counts.sum(1)
    counts, raters = counts[raters > 1], raters[raters > 1]
    return (counts * (counts - 1)).sum(1) / (raters * (raters - 1))

"""What optimisation has done to poses, as the lines of the history tell; see `tasks.pose_figures`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.observing.history import Line

FIGURES = ("penetration_mm", "distance_mm", "contact_vertices", "limit_excess_deg", "naturalness")
_MEANS = ("mean", "median", "p05", "p95")


@dataclass(frozen=True)
class Spread:
    """One figure of many poses: the mean over shards of what each told, by its number of poses; ends are those of all."""

    mean: float
    median: float
    p05: float
    p95: float
    min: float
    max: float


@dataclass(frozen=True)
class Change:
    """One figure before and after."""

    count: int
    """Poses that were measured."""
    before: Spread
    after: Spread


def changes(history: Sequence[Line]) -> dict[str, Change]:
    """Of each figure that the history tells of; what cannot be understood is left out."""
    told = [line["figures"] for line in history if isinstance(line.get("figures"), Mapping)]
    found = {}
    for name in FIGURES:
        pairs = [pair for figures in told if (pair := _pair(figures, name))]
        if pairs:
            counts = [count for count, _, _ in pairs]
            sides = [_together(counts, [pair[side] for pair in pairs]) for side in (1, 2)]
            found[name] = Change(sum(counts), *sides)
    return found


def _pair(figures: Mapping[str, Any], name: str) -> tuple[int, Spread, Spread] | None:
    try:
        before, after = figures["before"], figures["after"]
        count = int(before["count"])
        spreads = [
            Spread(**{key: float(side[name][key]) for key in (*_MEANS, "min", "max")}) for side in (before, after)
        ]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    fine = count > 0 and all(math.isfinite(value) for spread in spreads for value in vars(spread).values())
    return (count, *spreads) if fine else None


def _together(counts: Sequence[int], spreads: Sequence[Spread]) -> Spread:
    total = sum(counts)
    mean = lambda key: sum(n * getattr(spread, key) for n, spread in zip(counts, spreads, strict=True)) / total  # noqa: E731
    ends = {"min": min(spread.min for spread in spreads), "max": max(spread.max for spread in spreads)}
    return Spread(**{key: mean(key) for key in _MEANS}, **ends)

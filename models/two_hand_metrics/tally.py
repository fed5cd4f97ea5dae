"""Means and deviations of numbers that come a batch at a time: counts and sums, which add up over batches and processes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Tally:
    """What is known of numbers that were counted. `a + b` is the tally of both."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    """Sum of their squares."""

    @classmethod
    def of(cls, values: Float[Tensor, "*n"]) -> "Tally":
        """Of all that are numbers; NaN says that there is nothing to count."""
        known = values[~values.isnan()].double()
        return cls(known.numel(), known.sum().item(), known.square().sum().item())

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """NaN of nothing."""
        return self.total / self.count if self.count else math.nan

    @property
    def std(self) -> float:
        """Standard deviation of the numbers themselves (divided by their count); NaN of nothing."""
        return math.sqrt(max(0.0, self.squares / self.count - self.mean**2)) if self.count else math.nan


Tallies = dict[str, Tally]
"""By metric."""


def tallied(measured: Mapping[str, Float[Tensor, "b *n"]]) -> Tallies:
    """Of every metric of a batch."""
    return {name: Tally.of(values) for name, values in measured.items()}


def together(one: Mapping[str, Tally], other: Mapping[str, Tally]) -> Tallies:
    """Of two batches, whichever metrics each has."""
    return {name: one.get(name, Tally()) + other.get(name, Tally()) for name in (*one, *(other.keys() - one.keys()))}

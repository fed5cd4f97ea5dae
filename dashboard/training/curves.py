"""What was measured over a training's steps, in a bounded number of bins that keep every extreme."""

import math
from itertools import groupby
from typing import NamedTuple

BINS = 400
"""Most bins of a curve; when one more is needed, all become twice as wide."""


class Bin(NamedTuple):
    """Values of neighbouring steps."""

    first: float
    """Step of the first value."""
    last: float
    """Step of the last value."""
    count: int
    total: float
    lowest: float
    lowest_at: float
    """Step of the lowest value; the first of several."""
    highest: float
    highest_at: float
    newest: float
    """The last value."""

    @property
    def mean(self) -> float:
        """Of its values."""
        return self.total / self.count

    @staticmethod
    def join(bins: "list[Bin]") -> "Bin":
        """Neighbours as one, the earliest first."""
        low, high = min(bins, key=lambda part: part.lowest), max(bins, key=lambda part: part.highest)
        return Bin(
            bins[0].first,
            bins[-1].last,
            sum(part.count for part in bins),
            math.fsum(part.total for part in bins),
            *(low.lowest, low.lowest_at, high.highest, high.highest_at),
            bins[-1].newest,
        )


class CurveView(NamedTuple):
    """A curve as it was at one moment."""

    bins: tuple[Bin, ...]
    """Steps ascend."""
    unusable: int = 0
    """Values that were not a number, or infinite."""
    unusable_at: float = math.nan
    """Step of the last such value."""

    @property
    def newest(self) -> float | None:
        """The last value."""
        return self.bins[-1].newest if self.bins else None

    @property
    def lowest(self) -> tuple[float, float] | None:
        """The lowest value and its step."""
        low = min(self.bins, key=lambda part: part.lowest, default=None)
        return (low.lowest, low.lowest_at) if low else None

    @property
    def highest(self) -> tuple[float, float] | None:
        """The highest value and its step."""
        high = max(self.bins, key=lambda part: part.highest, default=None)
        return (high.highest, high.highest_at) if high else None

    @property
    def is_condensed(self) -> bool:
        """Whether a bin holds more than one value, so that its mean, lowest and highest differ."""
        return any(part.count > 1 for part in self.bins)

    @property
    def change(self) -> float | None:
        """How far the mean of the last tenth of the bins is above that of the tenth before; None for one bin."""
        tenth = max(1, len(self.bins) // 10)
        if len(self.bins) < 2 * tenth:
            return None
        late, early = Bin.join(list(self.bins[-tenth:])), Bin.join(list(self.bins[-2 * tenth : -tenth]))
        return late.mean - early.mean

    def points(self) -> list[Bin]:
        """What is drawn: the bins, the last one together with the one before as long as it has not half as many values."""
        if len(self.bins) < 2 or self.bins[-1].count >= self.bins[-2].count / 2:
            return list(self.bins)
        return [*self.bins[:-2], Bin.join(list(self.bins[-2:]))]


class Curve:
    """Takes values in the order in which they were written. A step that goes back takes the place of what came after it."""

    def __init__(self) -> None:
        self.width, self.last = 1.0, -math.inf
        self._bins: list[Bin] = []
        self._place: float | None = None
        self._open: list = []
        self._unusable, self._unusable_at = 0, math.nan

    def add(self, step: float, value: float) -> bool:
        """One value; whether its step went back."""
        back = step < self.last
        if back:
            self._cut(step)
        self.last = step
        if not math.isfinite(value):
            self._unusable, self._unusable_at = self._unusable + 1, step
            return back
        if step // self.width != self._place:
            self._close()
            self._begin(step, value)
        else:
            self._grow(step, value)
        return back

    def view(self) -> CurveView:
        """As it is now."""
        bins = [*self._bins, Bin(*self._open)] if self._open else self._bins
        return CurveView(tuple(bins), self._unusable, self._unusable_at)

    def _begin(self, step: float, value: float) -> None:
        """A bin, or the last one again that has become wide enough for this step too."""
        self._place = step // self.width
        if self._bins and self._bins[-1].first // self.width == self._place:
            self._open = list(self._bins.pop())
            self._grow(step, value)
        else:
            self._open = [step, step, 1, value, value, step, value, step, value]

    def _grow(self, step: float, value: float) -> None:
        part = self._open
        part[1], part[8] = step, value
        part[2] += 1
        part[3] += value
        if value < part[4]:
            part[4], part[5] = value, step
        if value > part[6]:
            part[6], part[7] = value, step

    def _close(self) -> None:
        if self._open:
            self._bins.append(Bin(*self._open))
            self._open, self._place = [], None
        while len(self._bins) >= BINS:
            self.width *= 2
            parts = groupby(self._bins, key=lambda part: part.first // self.width)
            self._bins = [Bin.join(list(part)) for _, part in parts]

    def _cut(self, step: float) -> None:
        """Forget what came at this step or later, with what shares a bin with that."""
        self._close()
        while self._bins and self._bins[-1].last >= step:
            self._bins.pop()

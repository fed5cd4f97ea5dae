"""How many things a second, over the last minutes."""

import time
from collections import deque
from collections.abc import Callable

SPAN = 300.0
"""Seconds that a rate looks back."""
_GRAIN = 5.0
"""Seconds whose things are kept as one number."""


class Rate:
    """Things that come one after the other."""

    def __init__(self, began: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`began` is when the clock showed that they might come."""
        self._clock, self._began = clock, began
        self._counts: deque[tuple[float, int]] = deque()
        """(begin of a grain, things in it)."""

    def add(self, count: int) -> None:
        """So many more."""
        now = self._clock()
        if self._counts and now - self._counts[-1][0] < _GRAIN:
            begun, before = self._counts.pop()
            self._counts.append((begun, before + count))
        else:
            self._counts.append((now, count))
        self._forget(now)

    def per_second(self) -> float:
        """Over the last `SPAN`, or since the rate began."""
        now = self._clock()
        self._forget(now)
        passed = min(SPAN, now - self._began)
        return sum(count for _, count in self._counts) / passed if passed > 0 else 0.0

    def _forget(self, now: float) -> None:
        while self._counts and now - self._counts[0][0] > SPAN:
            self._counts.popleft()

"""`metrics.jsonl` of a training, read as it grows: each look reads only what was added since the last one."""

import json
import math
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dashboard.training.curves import Curve, CurveView
from dashboard.training.files import Found, Signs, find

MOST = 200
"""Metrics that are kept; further names are counted and left out."""
LONGEST = 1 << 20
"""Bytes of a line that is read; a longer one is left out."""
_PIECE = 1 << 20
_BEGINNING = 128
"""Bytes by which a file that was written anew is told from one that has grown."""
_RECENT, _APART = 600.0, 1.0
"""Seconds of training over which its pace is taken, and least seconds between two of its points."""
_LARGEST = 1e15
"""Step beyond which a number is none."""
_NO_METRICS = frozenset(("step", "finished", "total_steps"))
_GONE = Signs()


class MetricsFile:
    """Of one training. One thread reads; what it offers is replaced as a whole, so that others may look meanwhile."""

    def __init__(self, folder: Path, name: str) -> None:
        """Nothing is read yet."""
        self._folder, self._name, self._signs = folder, name, _GONE
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._curves: dict[str, Curve] = {}
        self._changed: set[str] = set()
        self._offset, self._rest, self._beginning = 0, b"", b""
        self._is_skipping = False
        self._pace: deque[tuple[float, float]] = deque(maxlen=1024)
        self._others: set[str] = set()
        self.views: Mapping[str, CurveView] = {}
        """Curves by metric, in the order in which they appeared."""
        self.step: float | None = None
        """The newest one."""
        self.total: float | None = None
        """Step at which the training ends, if its lines say so."""
        self.is_finished = False
        """Whether the last line says that the training is complete."""
        self.lines = self.faulty = 0
        """Lines read, and those among them that are no JSON object with a step."""
        self.went_back: tuple[float, float] | None = None
        """The last time that a step was lower than the one before: (from, to)."""
        self.waiting = 0.0
        """Share of the file that is still to be read."""

    @property
    def left_out(self) -> int:
        """Names of metrics beyond the most that are kept."""
        return len(self._others)

    @property
    def pace(self) -> float | None:
        """Steps a second over the last ten minutes of training, by the lines' own `seconds`; None when they have none."""
        if len(self._pace) < 2:
            return None
        (first, began), (last, ended) = self._pace[0], self._pace[-1]
        return (last - first) / (ended - began)

    def read(self, budget: float = 1.0) -> bool:
        """Take over what was added, for so many seconds; whether there was something.

        Raises:
            OSError: the file cannot be read at the moment; the next look goes on where this one stopped.
        """
        found = find(self._folder, self._name)
        if found is None:
            was_there, self._signs = self._signs != _GONE, _GONE
            if was_there:
                self._begin_anew()
            return was_there
        if found.signs == self._signs and not self.waiting:
            return False
        self._take_in(found, time.monotonic() + budget)
        fresh = {name: self._curves[name].view() for name in self._changed}
        self.views = {name: fresh.get(name) or self.views[name] for name in self._curves}
        self._changed.clear()
        self._signs = found.signs
        return True

    def _take_in(self, found: Found, until: float) -> None:
        size = found.signs.size
        with found.open() as file:
            if size < self._offset or file.read(len(self._beginning)) != self._beginning:
                self._begin_anew()
            if len(self._beginning) < _BEGINNING:
                file.seek(0)
                self._beginning = file.read(min(_BEGINNING, size))
            file.seek(self._offset)
            while self._offset < size:
                piece = file.read(min(_PIECE, size - self._offset))
                if not piece:
                    break
                self._offset += len(piece)
                self._split(piece)
                if time.monotonic() > until:
                    break
        self.waiting = (size - self._offset) / size if size else 0.0

    def _split(self, piece: bytes) -> None:
        """Whole lines are taken over; a begun one waits for its end."""
        *whole, rest = (self._rest + piece).split(b"\n")
        for line in whole:
            if self._is_skipping:
                self._is_skipping = False
            elif line.strip():
                self._line(line)
        if len(rest) > LONGEST:
            self.faulty, self.lines = self.faulty + (not self._is_skipping), self.lines + (not self._is_skipping)
            rest, self._is_skipping = b"", True
        self._rest = rest

    def _line(self, line: bytes) -> None:
        self.lines += 1
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        step = _number(content.get("step")) if isinstance(content, dict) else None
        if step is None or not abs(step) <= _LARGEST:
            self.faulty += 1
            return
        self.is_finished = content.get("finished") is True
        self.step = step
        total = _number(content.get("total_steps"))
        if total is not None and 0 < total <= _LARGEST:
            self.total = total
        back = False
        for name, told in content.items():
            value = _number(told)
            if value is not None and name not in _NO_METRICS:
                back = self._measured(name, step, value) or back
        if (seconds := _number(content.get("seconds"))) is not None and math.isfinite(seconds):
            self._at(step, seconds)

    def _measured(self, name: str, step: float, value: float) -> bool:
        curve = self._curves.get(name)
        if curve is None:
            if len(self._curves) >= MOST:
                if len(self._others) < MOST:
                    self._others.add(name[:80])
                return False
            curve = self._curves.setdefault(name, Curve())
        self._changed.add(name)
        before = curve.last
        if curve.add(step, value):
            self.went_back = (before, step)
            return True
        return False

    def _at(self, step: float, seconds: float) -> None:
        if self._pace and (seconds < self._pace[-1][1] or step < self._pace[-1][0]):
            self._pace.clear()
        if not self._pace or seconds - self._pace[-1][1] >= _APART:
            self._pace.append((step, seconds))
        while len(self._pace) > 2 and seconds - self._pace[1][1] >= _RECENT:
            self._pace.popleft()


def _number(value: Any) -> float | None:
    """Of a JSON value; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf

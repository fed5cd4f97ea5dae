"""What a run has done over time, as its history and its workers tell: curves, and the time that it took.

Times of a history are those of its leader's clock. Nothing here compares them with another clock: how long ago its last line
was is what the workers say of the shards in their hands.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from dashboard.progress.pace import things
from dashboard.watching.run import RunState
from dashboard.watching.stages import IMAGES, POSES, Stage
from dashboard.watching.told import number, part, text

_NEARLY = 0.9
"""Share of the rows of which a history tells that counts as whole."""
_BINS = 96
"""Of a curve, at most."""
_WIDTHS = (2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 7 * 86400, 30 * 86400, 365 * 86400)
"""Of a bin, seconds."""
_AT_ONCE = 16
"""Times for which all shards are looked at in one go."""


class Made(NamedTuple):
    """Something that was made at an even pace from `begin` to `end`, seconds since 1970."""

    begin: float
    end: float
    things: float


class Curve(NamedTuple):
    """What a stage has made over time."""

    times: Float[np.ndarray, "b"]
    """Middles of bins, seconds since 1970."""
    rates: Float[np.ndarray, "b"]
    """Things a second in each bin."""
    totals: Float[np.ndarray, "b"]
    """Things made until the end of each bin."""


class Course:
    """Of one run, as it was seen last."""

    def __init__(self, run: RunState) -> None:
        """Read its history once."""
        self._run = run
        lines = [(line.get("stage"), made) for line in run.history if (made := _made(line))]
        stages = [[stage == one.name for stage, _ in lines] for one in (POSES, IMAGES)]
        self._stages = np.array(stages, dtype=bool)
        self._made = np.array([made for _, made in lines]).reshape(-1, 3)

    @property
    def is_told(self) -> bool:
        """Whether the history tells of nearly all rows: leaders that are killed lose lines, merged datasets have none."""
        told = sum(number(line, "rows") for line in self._run.history if line.get("stage") in (POSES.name, IMAGES.name))
        return told >= _NEARLY * (self._run.rows("poses") + self._run.rows("images"))

    @property
    def elapsed(self) -> float | None:
        """Seconds from the beginning of the first shard to now, or to the last one's end when nobody works.

        None before the first, and when nobody works and the history does not tell of everything.
        """
        at_work = [number(worker.record, "seconds") for worker in self._run.workers if worker.is_at_work]
        if not at_work and not self.is_told:
            return None
        if not len(self._made):
            return max(at_work, default=None)
        return float(self._made[:, 1].max() - self._made[:, 0].min()) + self._since

    def average(self, stage: Stage) -> float | None:
        """Things a second from the first shard's beginning to the last one's end; None before the first."""
        made = self._of(stage)
        return float(made[:, 2].sum() / (made[:, 1].max() - made[:, 0].min())) if len(made) else None

    def curve(self, stage: Stage, wall: float) -> Curve:
        """What poses or images were made over time, the shards in hand included, in bins that suit the time it has taken.

        Args:
            stage: of the run.
            wall: seconds since 1970 by the own clock; counts only while no shard is finished.
        """
        moment = self._made[:, 1].max() + self._since if len(self._made) else wall
        hands = np.array(list(self._in_hand(stage, moment))).reshape(-1, 3)
        begin, end, made = np.concatenate([self._of(stage), hands]).T
        if not len(made):
            return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
        edges = _edges(begin.min(), end.max())
        parts = np.array_split(edges, len(edges) // _AT_ONCE + 1)
        totals = np.concatenate([((some[:, None] - begin) / (end - begin)).clip(0, 1) @ made for some in parts])
        return Curve((edges[1:] + edges[:-1]) / 2, np.diff(totals) / np.diff(edges), totals[1:])

    def _of(self, stage: Stage) -> Float[np.ndarray, "m 3"]:
        return self._made[self._stages[(POSES, IMAGES).index(stage)]]

    def _in_hand(self, stage: Stage, moment: float) -> Iterator[Made]:
        for worker in self._run.workers:
            record, step = worker.record, part(worker.record, "step")
            seconds, done = number(record, "shard_seconds"), number(step, "done")
            is_here = worker.is_at_work and text(record, "stage") == stage.name and text(step, "unit") == stage.unit
            if is_here and seconds and done:
                yield Made(moment - seconds, moment, done)

    @property
    def _since(self) -> float:
        """Seconds since the last line of the history: its worker has had the next shard in hand for so long."""
        last = self._run.history[-1] if self._run.history else {}
        hands = defaultdict[bool, list[float]](list)
        for worker in self._run.workers:
            if worker.is_at_work:
                hands[worker.record.get("worker") == last.get("worker")].append(number(worker.record, "shard_seconds"))
        return min(hands[True] or hands[False], default=0.0)


def _edges(first: float, last: float) -> Float[np.ndarray, "e"]:
    """Of bins: all but the outermost at round times."""
    width = next((w for w in _WIDTHS if (last - first) / w <= _BINS - 2), None) or (last - first) / _BINS
    inner = np.arange(np.floor(first / width) + 1, np.ceil(last / width)) * width
    return np.unique(np.concatenate(([first], inner, [last])))


def _made(line: Mapping[str, Any]) -> Made | None:
    """None for a line whose end cannot be read."""
    try:
        told = datetime.fromisoformat(str(line.get("finished")))
        end = (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return Made(end - max(number(line, "seconds"), 1.0), end, things(line))

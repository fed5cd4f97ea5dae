"""What the tallies of a simulated run say: how long workers waited, and for what."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Tallies = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Figures:
    """Of one run; seconds unless said otherwise."""

    shards: int
    seconds: float
    """That each shard slept."""
    workers: int
    wall: float
    """From the wish for a run to its end."""
    start: float
    """From the wish to the first shard."""
    joined: float
    """From the wish until every worker had its first shard."""
    end: float
    """From the last commit to the end."""
    rate: float
    """Shards a second while every worker had work."""
    overhead: float
    """Of a shard: all of a worker's time between its first and its last shard that is not sleep."""
    waits: tuple[float, float, float]
    """From a commit to the next shard of the same worker: median, 95th percentile, most."""

    @property
    def steady(self) -> float:
        """Share of a worker's time that is not sleep, while there is work."""
        return self.overhead / (self.overhead + self.seconds)

    @property
    def in_all(self) -> float:
        """Share of the wall time that is more than the shards need on so many workers."""
        return 1 - self.shards * self.seconds / self.workers / self.wall

    def in_all_at(self, seconds: float) -> float:
        """The same share for as many shards that take so long, start and end included."""
        ideal = self.shards / self.workers
        more = self.wall - ideal * self.seconds
        return more / (more + ideal * seconds)

    def steady_at(self, seconds: float) -> float:
        """The steady share for shards that take so long."""
        return self.overhead / (self.overhead + seconds)


def figures(tallies: Tallies, workers: int, seconds: float, wished: float, ended: float) -> Figures:
    """Figures of a run.

    Args:
        tallies: of the runs that made shards; others are left out.
        workers: that were there.
        seconds: that each shard slept.
        wished: when the run was asked for, on the machine's monotonic clock.
        ended: when it was over, on the same clock.

    Raises:
        ValueError: no shard was made.
    """
    busy = [tally for tally in tallies if tally["committed"]]
    if not busy:
        raise ValueError("no shard was made")
    taken = [np.array(tally["taken"]) for tally in busy]
    committed = [np.array(tally["committed"]) for tally in busy]
    waits = np.concatenate([start[1:] - end[: len(start) - 1] for start, end in zip(taken, committed, strict=True)])
    spans = [end[-1] - start[0] for start, end in zip(taken, committed, strict=True)]
    shards = sum(map(len, committed))
    since, until = max(start[0] for start in taken), min(end[-1] for end in committed)
    within = sum(int(((end > since) & (end <= until)).sum()) for end in committed)
    return Figures(
        shards=shards,
        seconds=seconds,
        workers=workers,
        wall=ended - wished,
        start=min(start[0] for start in taken) - wished,
        joined=since - wished,
        end=ended - max(end[-1] for end in committed),
        rate=within / (until - since) if until > since else float("nan"),
        overhead=(sum(spans) - shards * seconds) / shards,
        waits=tuple(np.percentile(waits, [50, 95, 100])) if len(waits) else (0.0, 0.0, 0.0),
    )


def asked(tallies: Tallies) -> Counter[str]:
    """Operations of storage, of all processes together."""
    return sum((Counter(tally["asked"]) for tally in tallies), Counter())

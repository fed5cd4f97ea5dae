"""Whether shards take longer than they did, told by a run's history; fewer workers are no slowing down."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from dashboard.watching.told import number, text
from tasks.observing.history import Line

STAGES = ("images", "poses")
"""Stages whose pace is watched."""
LAST = 6
"""Shards that are compared with those before; as many must be before them."""
_BEFORE = 1000
"""Shards that are looked back at, before the last ones."""
_WHOLE = 0.5
"""Part of a usual shard's rows that a shard must have to be compared: the last one of a split may have few."""
_OWN = 3
"""Earlier shards of a worker that tell its own pace; with fewer it is compared with its kind of device."""


@dataclass(frozen=True)
class Pace:
    """How fast the last shards of a stage were made."""

    stage: str
    part: float
    """Of the earlier pace, in the median of the last shards: 1 is as fast as before."""

    @property
    def drop(self) -> float:
        """Part of the earlier pace that is lost; 0 when it is as fast as before or faster."""
        return max(0.0, 1 - self.part)


@dataclass(frozen=True)
class _Made:
    worker: str
    device: str
    rows: float
    pace: float


def pace_of(history: Sequence[Line]) -> Pace | None:
    """The pace of the stage whose shards came last; None while there are too few to compare.

    Each shard is compared with earlier ones of its own worker, or else of its kind of device: so it does not count when fast
    workers have left and slow ones go on. Refused rows count as work.
    """
    stage = next((line["stage"] for line in reversed(history) if line.get("stage") in STAGES), None)
    made = [_made(line) for line in history if stage and line.get("stage") == stage]
    made = _whole([one for one in made if one.pace > 0][-(_BEFORE + LAST) :])
    last, before = made[-LAST:], made[:-LAST]
    if stage is None or len(before) < LAST:
        return None
    by_worker, by_device = _paces(before, "worker"), _paces(before, "device")
    compared = []
    for one in last:
        own = by_worker.get(one.worker, [])
        usual = own if len(own) >= _OWN else by_device.get(one.device, [])
        if len(usual) >= _OWN:
            compared.append(one.pace / median(usual))
    if len(compared) < LAST:
        return None
    return Pace(stage, median(compared))


def usual_seconds(history: Sequence[Line], stage: str) -> float | None:
    """How long a shard of a stage takes, in the median of the last ones; None before the first."""
    seconds = [number(line, "seconds") for line in history if line.get("stage") == stage and "seconds" in line]
    return median(seconds[-_BEFORE:]) if seconds else None


def _made(line: Line) -> _Made:
    rows, seconds = number(line, "rows") + number(line, "refused"), number(line, "seconds")
    return _Made(text(line, "worker"), text(line, "device"), rows, rows / seconds if seconds else 0.0)


def _whole(made: Sequence[_Made]) -> list[_Made]:
    least = _WHOLE * median(one.rows for one in made) if made else 0
    return [one for one in made if one.rows >= least]


def _paces(made: Sequence[_Made], by: str) -> dict[str, list[float]]:
    found = defaultdict[str, list[float]](list)
    for one in made:
        found[getattr(one, by)].append(one.pace)
    return found

"""Whether a worker lives, told by its beats on our own clock: nothing in a record is a time of day."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dashboard.watching.told import number

RED_AFTER = 24.0
"""Most seconds of silence until a worker counts as dead, unless its beats are as far apart. With a look every other second, and
browsers that ask as often, a death shows within 30 seconds."""
_SILENT_BEATS = 4.0
"""Beats after which one counts as dead, which is a lease's time (`tasks.observing.record.BEATS`)."""
_GRACE = 6.0
"""Seconds that a beat may take at least: it asks the GPUs, and storage."""
_GRACE_SHARE = 0.1
"""The same as a part of the time between beats, when they are far apart."""
_USUAL_BEAT = 15.0
"""Seconds between beats of a record that does not say."""
_GROWTH = 1.1
"""Silence counts as another one when it has grown by so much; until then pages need not be written anew."""

Record = Mapping[str, Any]


class Health(StrEnum):
    """How a worker is."""

    WORKING = "working"
    LATE = "late"
    SILENT = "silent"
    LEFT = "left"


@dataclass(frozen=True)
class WorkerState:
    """A worker as it was seen last."""

    record: Record
    """See `tasks.observing.record.Record`."""
    health: Health
    quiet: float = field(compare=False)
    """Seconds since its last beat, or since we began to look."""
    silence: int = 0
    """Goes up while a silent worker stays silent, ever more slowly, so that pages tell within a tenth for how long."""

    @property
    def name(self) -> str:
        """Of the worker."""
        return str(self.record["worker"])

    @property
    def is_at_work(self) -> bool:
        """Whether it works, as far as one can tell."""
        return self.health in (Health.WORKING, Health.LATE)

    @property
    def in_hand(self) -> float:
        """Seconds for which it has been at its shard; of one that is silent until it was heard last."""
        return number(self.record, "shard_seconds") + (self.quiet if self.is_at_work else 0.0)


class Pulse:
    """Of one worker."""

    def __init__(self, now: float) -> None:
        self._record: Record = {}
        self._changed = now

    def saw(self, record: Record, now: float) -> None:
        """Its record as it is at this moment. Any change is a sign of life: a new process begins its beats anew."""
        if record != self._record:
            self._changed = now
        self._record = record

    def state(self, now: float, over: bool) -> WorkerState:
        """How it is.

        Args:
            now: as for `saw`.
            over: the run is finished, so nobody works any more.
        """
        quiet = now - self._changed
        late, silent = _patience(number(self._record, "beat_seconds") or _USUAL_BEAT)
        if over or self._record.get("state", "working") != "working":
            health = Health.LEFT
        elif quiet > silent:
            return WorkerState(self._record, Health.SILENT, quiet, int(math.log(quiet, _GROWTH)))
        else:
            health = Health.LATE if quiet > late else Health.WORKING
        return WorkerState(self._record, health, quiet)


def _patience(beat: float) -> tuple[float, float]:
    """Seconds without a beat after which a worker is late, and counts as dead."""
    overdue = beat + max(_GRACE, _GRACE_SHARE * beat)
    silent = max(min(_SILENT_BEATS * beat, RED_AFTER), overdue)
    return (beat + silent) / 2, silent

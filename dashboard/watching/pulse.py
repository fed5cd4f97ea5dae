"""Whether a worker lives, told by its beats on our own clock: nothing in a record is a time of day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

RED_AFTER = 28.0
"""Most seconds of silence until a worker counts as dead, unless its beats are as far apart."""
_LATE_BEATS, _SILENT_BEATS = 1.4, 4.0
"""Beats after which one is late, or counts as dead."""
_USUAL_BEAT = 15.0
"""Seconds between beats of a record that does not say."""

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

    @property
    def name(self) -> str:
        """Of the worker."""
        return self.record["worker"]


class Pulse:
    """Of one worker."""

    def __init__(self, now: float) -> None:
        self._record: Record = {}
        self._changed = now

    def saw(self, record: Record, now: float) -> None:
        """Its record as it is at this moment."""
        if (record.get("beat"), record.get("pid")) != (self._record.get("beat"), self._record.get("pid")):
            self._changed = now
        self._record = record

    def state(self, now: float, over: bool) -> WorkerState:
        """How it is.

        Args:
            now: as for `saw`.
            over: the run is finished, so nobody works any more.
        """
        quiet, beat = now - self._changed, self._record.get("beat_seconds") or _USUAL_BEAT
        silent = max(min(_SILENT_BEATS * beat, RED_AFTER), 1.1 * beat)
        if over or self._record.get("state", "working") != "working":
            health = Health.LEFT
        elif quiet > silent:
            health = Health.SILENT
        elif quiet > _LATE_BEATS * beat:
            health = Health.LATE
        else:
            health = Health.WORKING
        return WorkerState(self._record, health, quiet)

"""What is off course in a run, in sentences that say what to do."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from dashboard.alarms.facts import Facts, facts_of, is_over
from dashboard.alarms.rules import RULES, Alarm, Seen
from dashboard.alarms.slowing import Pace, pace_of
from dashboard.alarms.standstill import Standstill
from dashboard.rows.index import RowIndex
from dashboard.rows.keeper import Keeper
from dashboard.settings import Settings
from dashboard.watching.run import Clock, RunState, WatchedRun
from dashboard.wording import count
from tasks.observing.history import Line

_log = logging.getLogger(__name__)
_CLEARLY = 0.9
"""Part of a limit below which an alarm that is there goes."""
_LASTS = 10.0
"""Seconds for which a dataset cannot be read before that is an alarm: storage may hiccup, a folder may be on its way."""
_LEVELS = ("bad", "late")


@dataclass
class _Memory:
    """What is kept of a run between looks."""

    raised: frozenset[str] = frozenset()
    """Kinds of the alarms that are there."""
    facts: Facts = field(default_factory=Facts)
    facts_of: tuple[int, int] | None = None
    """State of the rows that `facts` were asked of."""
    pace: Pace | None = None
    pace_of: Sequence[Line] = ()
    standstill: Standstill = field(default_factory=Standstill)
    trouble_since: float | None = None


class Lookout:
    """Keeps the alarms of all runs."""

    def __init__(self, settings: Settings, keeper: Keeper, clock: Clock = time.monotonic) -> None:
        """Nothing is judged before the first look; `clock` gives seconds that go up evenly."""
        self._settings, self._keeper, self._clock = settings, keeper, clock
        self._memories: dict[str, _Memory] = {}
        self.alarms: Mapping[str, tuple[Alarm, ...]] = {}
        """By run, the most urgent first; empty tuples where nothing is wrong."""

    def look(self, runs: Mapping[str, WatchedRun]) -> Mapping[str, tuple[Alarm, ...]]:
        """Judge the runs as they were seen last; what it gives is what `alarms` is from now on."""
        self.alarms = {name: self._judged(name, run) for name, run in runs.items()}
        return self.alarms

    def _judged(self, name: str, run: WatchedRun) -> tuple[Alarm, ...]:
        """One run that cannot be judged is no reason to leave the others; what was known of it stays."""
        try:
            return self._of(run)
        except Exception:
            _log.exception("%s cannot be judged", name)
            return self.alarms.get(name, ())

    def _of(self, run: WatchedRun) -> tuple[Alarm, ...]:
        memory = self._memories.setdefault(run.name, _Memory())
        seen = self._seen(run, memory)
        found = [alarm for rule in RULES if (alarm := rule(seen)) is not None]
        memory.raised = frozenset(alarm.kind for alarm in found)
        return tuple(sorted(found, key=lambda alarm: _LEVELS.index(alarm.level)))

    def _seen(self, run: WatchedRun, memory: _Memory) -> Seen:
        state, index, limits, now = run.state, self._keeper.index(run.name), self._settings.alarms, self._clock()
        self._ask(index, memory, run.name)
        if state.history is not memory.pace_of:
            memory.pace_of, memory.pace = state.history, pace_of(state.history)
        stall = memory.standstill.look(state, now, 60 * limits.stalled_minutes)
        trouble = _lasting(memory, trouble_of(state, index), now)
        exceeds = lambda kind, value, limit: value > limit * (_CLEARLY if kind in memory.raised else 1)  # noqa: E731
        return Seen(state, limits, memory.facts, memory.pace, stall, trouble, _room(run), exceeds)

    def _ask(self, index: RowIndex, memory: _Memory, name: str) -> None:
        """Facts are asked again when the rows have changed; while they cannot be asked, those of before count."""
        if memory.facts_of == (version := index.state):
            return
        try:
            memory.facts, memory.facts_of = facts_of(index, self._settings.alarms.penetration_mm), version
        except duckdb.Error:
            _log.info("rows of %s cannot be asked now", name, exc_info=True)


def trouble_of(state: RunState, index: RowIndex) -> str:
    """Why a dataset cannot be read, or some of its files, in a sentence; empty when all is well."""
    if state.trouble:
        return state.trouble
    troubles = list(index.troubles.items())
    if not troubles:
        return ""
    file, why = troubles[0]
    return f"{count(len(troubles), 'file')} cannot be read: {file} ({why}); `render-ih verify` lists what is wrong."


def _lasting(memory: _Memory, trouble: str, now: float) -> str:
    """Trouble that has lasted."""
    if not trouble:
        memory.trouble_since = None
        return ""
    if memory.trouble_since is None:
        memory.trouble_since = now
    return trouble if now - memory.trouble_since >= _LASTS else ""


def _room(run: WatchedRun) -> int | None:
    """Bytes that are left for a dataset that lies in a folder."""
    if "://" in run.store.url or is_over(run.state):
        return None
    try:
        return shutil.disk_usage(run.store.folder).free
    except OSError:
        return None

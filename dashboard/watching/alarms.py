"""What is off course in a run, in sentences that say what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dashboard.rows.keeper import Keeper
from dashboard.settings import Settings
from dashboard.watching.run import WatchedRun


@dataclass(frozen=True)
class Alarm:
    """Something that somebody should look at."""

    kind: str
    """A word for machines: silent_worker, refused, refused_poses, black, drop, stalled, penetration, disk, unreadable."""
    level: Literal["late", "bad"]
    """How urgent: `late` is worth a look, `bad` wants somebody now."""
    sentence: str
    """What is wrong, where, and what to do."""


class Lookout:
    """Keeps the alarms of all runs."""

    def __init__(self, settings: Settings, keeper: Keeper) -> None:
        self._settings, self._keeper = settings, keeper
        self.alarms: Mapping[str, tuple[Alarm, ...]] = {}
        """By run, the most urgent first; empty tuples where nothing is wrong."""

    def look(self, runs: Mapping[str, WatchedRun]) -> Mapping[str, tuple[Alarm, ...]]:
        """Judge the runs as they were seen last; what it gives is what `alarms` is from now on."""
        self.alarms = {name: self._of(run) for name, run in runs.items()}
        return self.alarms

    def _of(self, run: WatchedRun) -> tuple[Alarm, ...]:
        return ()

"""Whether workers work and nothing comes of it, told on our own clock."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from dashboard.alarms.slowing import usual_seconds
from dashboard.watching.pulse import WorkerState
from dashboard.watching.run import RunState
from dashboard.watching.told import number, part, text

_USUAL_SHARDS = 3.0
"""Times a usual shard that the next one may take."""


@dataclass(frozen=True)
class Stall:
    """Workers work, and no shard has been finished for longer than it should take."""

    workers: int
    """That work."""
    holding: int
    """That have a shard in hand."""
    allowed: float
    """Seconds that were allowed without a finished shard."""


class Standstill:
    """Of one run."""

    def __init__(self) -> None:
        self._seen: Hashable = None
        self._since = 0.0

    def look(self, state: RunState, now: float, least: float) -> Stall | None:
        """Whether the run stands still.

        Args:
            state: the run as it is at this moment.
            now: seconds on a clock that goes up evenly.
            least: seconds without a finished shard that are always allowed.
        """
        workers = [worker for worker in state.workers if worker.is_at_work]
        if not workers:
            self._seen = None
            return None
        usual = usual_seconds(state.history, _stage(workers))
        seen = _made(state) if usual else (*_made(state), _steps(workers))
        holding = [worker for worker in workers if text(worker.record, "shard")]
        if self._seen is None:
            self._since = now - (min((worker.in_hand for worker in holding), default=0.0) if usual else 0.0)
        elif seen != self._seen:
            self._since = now
        self._seen = seen
        allowed = max(least, _USUAL_SHARDS * (usual or 0.0))
        return Stall(len(workers), len(holding), allowed) if now - self._since > allowed else None


def _stage(workers: Sequence[WorkerState]) -> str:
    """That most of them are at."""
    return Counter(text(worker.record, "stage") for worker in workers).most_common(1)[0][0]


def _made(state: RunState) -> tuple[Hashable, ...]:
    """Changes with every shard that is made, wherever that is told first."""
    listed = sum(map(len, state.manifest.shards.values())) if state.manifest else 0
    return len(state.history), listed, sum(number(worker.record, "shards") for worker in state.workers)


def _steps(workers: Sequence[WorkerState]) -> Hashable:
    """How far they are with what they are at: before the first shard is made nobody knows how long one takes."""
    return frozenset((worker.name, number(part(worker.record, "step"), "done")) for worker in workers)

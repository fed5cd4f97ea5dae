"""How fast a run goes, told by its workers' rates and by the history of its last shards."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboard.watching.pulse import WorkerState
from dashboard.watching.run import RunState
from dashboard.watching.stages import POSES, Stage
from dashboard.watching.told import device_of, number, numbers, text

_SPAN = 300.0
"""Seconds over which workers count their rates; see `tasks.observing.rates`."""
_ENOUGH = 20
"""Things in that time from which on a live rate is better than the history's."""
_RECENT = 8
"""Shards, or three a worker if that is more, that tell the recent pace."""


def live(workers: Iterable[WorkerState], stage: Stage) -> float:
    """Things a second over the last minutes, of those who work at a stage."""
    return sum(
        numbers(worker.record, "rates").get(stage.unit, 0.0)
        for worker in workers
        if worker.is_at_work and text(worker.record, "stage") == stage.name
    )


def now(workers: Sequence[WorkerState], history: Sequence[Mapping[str, Any]], stage: Stage) -> float | None:
    """Things a second of a stage. None when neither the workers nor the history know.

    What workers say counts once they have counted enough; else the pace of the last shards, for as many as work now. Poses
    are counted in bursts, at the end of each shard, so there the shards tell better.
    """
    at_work = [w for w in workers if w.is_at_work and text(w.record, "stage") == stage.name]
    rate = live(at_work, stage)
    counted = sum(
        numbers(w.record, "rates").get(stage.unit, 0.0) * min(_SPAN, number(w.record, "seconds") or _SPAN)
        for w in at_work
    )
    recent = None if counted >= _ENOUGH and stage is not POSES else _recent(history, stage, len(at_work))
    return recent or rate or None


def _recent(history: Sequence[Mapping[str, Any]], stage: Stage, workers: int) -> float | None:
    wanted, made, seconds = max(_RECENT, 3 * workers), 0.0, 0.0
    for line in reversed(history):
        if line.get("stage") == stage.name and (took := number(line, "seconds")):
            made, seconds, wanted = made + things(line), seconds + took, wanted - 1
            if not wanted:
                break
    return workers * made / seconds if seconds and workers and made else None


def things_a_shard(history: Sequence[Mapping[str, Any]], stage: Stage) -> float | None:
    """What a stage's shards held so far, on average; None before the first."""
    sizes = [things(line) for line in history if line.get("stage") == stage.name]
    return sum(sizes) / len(sizes) if any(sizes) else None


def share_of_step(history: Sequence[Mapping[str, Any]], stage: Stage, step: str) -> float | None:
    """Part of a shard's time that a step took in the last shards; None where no line tells."""
    steps = [numbers(line, "steps") for line in history[-200:] if line.get("stage") == stage.name]
    whole = sum(sum(one.values()) for one in steps)
    return sum(one.get(step, 0.0) for one in steps) / whole if whole else None


def device_seconds(run: RunState) -> dict[str, float]:
    """Seconds that devices have worked on shards, the ones in hand included; by device, the longest first."""
    spent = Counter[str]()
    for line in run.history:
        spent[device_of(line)] += number(line, "seconds")
    for worker in run.workers:
        if worker.is_at_work:
            spent[device_of(worker.record)] += number(worker.record, "shard_seconds")
    return {device: seconds for device, seconds in spent.most_common() if seconds}


def things(line: Mapping[str, Any]) -> float:
    """What was decided on: made and refused, as bars count."""
    return number(line, "rows") + number(line, "refused")

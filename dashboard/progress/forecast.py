"""How far a run is: stage by stage, with what the workers have in hand, how fast it goes and how long it may take.

The manifest is the truth of what is made. It lags by seconds behind the history and the workers' own words, so a shard counts
as made as soon as one of them says so; and of a shard in hand counts what its worker has done of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dashboard.progress import pace
from dashboard.watching.pulse import Health, WorkerState
from dashboard.watching.run import RunState
from dashboard.watching.stages import IMAGES, PLAN, POSES, STAGES, Stage
from dashboard.watching.told import known_number, number, part, text

_OPTIMISING = 0.65
"""Share of a shard of poses that optimising takes, until the history tells."""
_LONGEST = 5 * 365 * 86400.0
"""Seconds beyond which a forecast says nothing."""

Doing = Literal["waiting", "working", "done", "stopped"]


@dataclass(frozen=True)
class StageProgress:
    """How far one stage is."""

    stage: Stage
    state: Doing
    shards: int
    """Made."""
    of: int | None
    """Shards that the stage has; None before it has begun."""
    rows: int
    """Made: poses, views or images."""
    planned: int | None
    """What the stage has to decide on, if that is known."""
    decided: float
    """Of `planned`, the shards in hand included; for a stage that plans nothing, shards."""
    workers: int
    """At it."""

    @property
    def share(self) -> float | None:
        """From 0 to 1; None while it is unknown."""
        if self.state == "done":
            return 1.0
        whole = self.planned or self.of
        return min(self.decided / whole, 1.0) if whole else None


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    run: RunState
    stages: tuple[StageProgress, ...]

    @property
    def current(self) -> StageProgress | None:
        """The stage that is worked on or would be next; None when all is made."""
        begun = [stage for stage in self.stages if stage.state in ("working", "stopped")]
        return begun[-1] if begun else next((stage for stage in self.stages if stage.state == "waiting"), None)

    @property
    def images(self) -> StageProgress:
        """The last stage."""
        return self.stages[-1]

    @property
    def at_work(self) -> int:
        """Workers that work."""
        return sum(worker.is_at_work for worker in self.run.workers)

    @property
    def silent(self) -> int:
        """Workers that ought to work and say nothing."""
        return sum(worker.health is Health.SILENT for worker in self.run.workers)

    @cached_property
    def pace(self) -> float | None:
        """Of the current stage: images, poses or views a second; None while it is unknown."""
        current = self.current
        return pace.now(self.run.workers, self.run.history, current.stage) if current and self.at_work else None

    @property
    def left(self) -> float | None:
        """Seconds that the current stage still takes; None when nobody can tell."""
        current = self.current
        if current is None or not self.pace:
            return None
        in_all, done = self._in_all(current)
        slowest = max((_left_of_shard(worker, current.stage) for worker in self._at(current.stage)), default=0.0)
        seconds = max((in_all - done) / self.pace if in_all else 0.0, slowest)
        is_told = in_all is not None or current.stage.only
        return seconds if is_told and 0 < seconds < _LONGEST else None

    def _at(self, stage: Stage) -> list[WorkerState]:
        return [worker for worker in self.run.workers if worker.is_at_work and _is_at(worker, stage)]

    def _in_all(self, current: StageProgress) -> tuple[float | None, float]:
        """Things of a stage, and those done, in the unit of its pace."""
        if current.planned or current.of is None:
            return current.planned, current.decided
        a_shard = pace.things_a_shard(self.run.history, current.stage)
        return (current.of * a_shard, current.decided * a_shard) if a_shard else (None, 0.0)


def progress_of(run: RunState) -> Progress:
    """How far a run is, as it was seen last."""
    if run.manifest is None:
        return Progress(run, tuple(StageProgress(s, "waiting", 0, None, 0, None, 0.0, 0) for s in STAGES))
    found: list[StageProgress] = []
    for stage in reversed(STAGES):  # what comes after a stage begins when that is done
        later = any(one.state != "waiting" for one in found)
        found.insert(0, _stage(run, stage, later))
    return Progress(run, tuple(found))


def _stage(run: RunState, stage: Stage, later: bool) -> StageProgress:
    pending = _pending(run, stage)
    listed = stage.made(run.manifest)
    hands = _in_hand(run, stage, listed | pending.keys())
    shards, of = len(listed | pending.keys()), _of(run, stage)
    planned = _planned(run, stage)
    if planned is not None and stage is IMAGES:
        sizes = {name: shard.rows for name, shard in run.manifest.shards["plan"].items()}
        decided = sum(sizes.get(name, 0) for name in listed | pending.keys())
        decided += sum(sizes.get(name, 0) * share for name, share in hands.items())
    else:
        decided = shards + sum(hands.values())
    workers = sum(worker.is_at_work and _is_at(worker, stage) for worker in run.workers)
    state = _state(run, stage, later, shards, of, workers)
    table = "plan" if stage is PLAN else stage.table
    rows = run.rows(table) if stage.table != "rejected" or stage is PLAN else 0
    return StageProgress(stage, state, shards, of, rows + sum(pending.values()), planned, decided, workers)


def _state(run: RunState, stage: Stage, later: bool, shards: int, of: int | None, workers: int) -> Doing:
    if run.is_whole or later or (of is not None and shards >= of > 0):
        return "done"
    if workers:
        return "working"
    return "stopped" if shards or stage.name in run.stages else "waiting"


def _of(run: RunState, stage: Stage) -> int | None:
    if stage.only:
        return 1
    if stage is IMAGES and run.manifest.shards["plan"]:
        return len(run.manifest.shards["plan"])
    begun = known_number(run.stages, stage.name)
    return int(begun) if begun is not None else None


def _planned(run: RunState, stage: Stage) -> int | None:
    return (run.rows("plan") or None) if stage is IMAGES else None


def _pending(run: RunState, stage: Stage) -> dict[str, int]:
    """Rows of shards that are made and that the manifest does not list yet: by the history, or by who made them."""
    if run.is_whole:
        return {}
    listed = stage.made(run.manifest)
    lines = [(text(line, "shard"), line) for line in run.history[-2000:] if line.get("stage") == stage.name]
    last = [part(worker.record, "last_shard") for worker in run.workers if _is_at(worker, stage)]
    told = [*lines, *((text(one, "shard"), one) for one in last)]
    known = _names(run, stage)
    return {
        name: int(number(one, "rows"))
        for name, one in told
        if name and name not in listed and (known is None or name in known)
    }


def _names(run: RunState, stage: Stage) -> frozenset[str] | None:
    """All shards of a stage, where the manifest tells."""
    if stage.only:
        return frozenset((stage.only,))
    return frozenset(run.manifest.shards["plan"]) if stage is IMAGES else None


def _in_hand(run: RunState, stage: Stage, made: frozenset[str] | set[str]) -> dict[str, float]:
    """Shard to the share that is done of it."""
    hands: dict[str, float] = {}
    for worker in run.workers:
        name = text(worker.record, "shard")
        if worker.is_at_work and _is_at(worker, stage) and name and name not in made:
            hands[name] = max(hands.get(name, 0.0), share_of_shard(worker.record, run.history))
    return hands


def share_of_shard(record: Mapping, history: Sequence[Mapping] = ()) -> float:
    """How much a worker has done of the shard in its hands, from 0 to 1.

    A shard of poses has two bars, optimising and checking, whose lengths the history tells.
    """
    step = part(record, "step")
    done, total = number(step, "done"), number(step, "total")
    share = min(done / total, 1.0) if total else 0.0
    if text(record, "stage") != POSES.name:
        return share
    first = pace.share_of_step(history, POSES, "Optimising")
    first = _OPTIMISING if first is None else first
    return first * share if text(step, "unit") != "poses" else first + (1 - first) * share


def _left_of_shard(worker: WorkerState, stage: Stage) -> float:
    """Seconds until a worker is through with its shard of views or images: nobody helps it."""
    step, rate = part(worker.record, "step"), pace.live([worker], stage)
    if stage is POSES or text(step, "unit") != stage.unit or not rate:
        return 0.0
    return (number(step, "total") - number(step, "done")) / rate


def _is_at(worker: WorkerState, stage: Stage) -> bool:
    return text(worker.record, "stage") == stage.name

"""What machines read of runs and trainings: figures for Prometheus, of what was seen last.

All figures are gauges: what a dataset holds goes down when another one takes its place, and a worker that starts anew counts
anew. Counters of what workers do are on their own pages, see `tasks.observing.metrics`.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import duckdb
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard.desk import Desk
from dashboard.progress.crew import Crew, Member
from dashboard.progress.forecast import progress_of
from dashboard.rows.index import RowIndex
from dashboard.training.job import TrainingHealth
from dashboard.training.watched import TrainingState
from dashboard.watching.pulse import Health
from dashboard.watching.run import RunState, WatchedRun
from dashboard.watching.told import device_of, number, numbers
from dataset.manifest import Manifest
from tasks.observing.history import Line

MOST_WORKERS = 64
"""Workers of a run that have series of their own: those that are silent first, then those at work, by name."""
_MOST_GPUS = 16
_MOST_REASONS = 32
"""Of a stage, beside `other`."""
_MOST_DEVICES = 32
_MOST_CURVES = 64
"""Metrics of a training."""
_LONGEST = 120
"""Characters of a label's value."""
OTHER = "other"
_log = logging.getLogger(__name__)

_LABELS = {"run": ("run",), "worker": ("run", "worker"), "gpu": ("run", "worker", "gpu"), "training": ("training",)}
_FAMILIES = (
    ("run_readable", "run", "", "1, or 0 while the dataset cannot be read; other figures are then as last seen."),
    ("run_finished", "run", "", "1 when the dataset is finished."),
    ("run_rows", "run", "table", "Rows of finished shards."),
    ("run_bytes", "run", "table", "Bytes of finished shards."),
    ("run_shards", "run", "stage", "Shards made."),
    ("run_shards_expected", "run", "stage", "Shards in all, of stages that have begun."),
    ("run_shards_set_aside", "run", "", "Shards that nobody tries any more because they failed again and again."),
    ("run_done_ratio", "run", "stage", "Part that is done, shards in hand included."),
    ("run_left_seconds", "run", "stage", "Forecast for the stage that is worked on; absent while nobody can tell."),
    ("run_rate_per_second", "run", "unit", "What those at work make (images, poses, …), over the last five minutes."),
    ("run_refused", "run", "stage reason", "Refused poses and images, of the rows that are read so far."),
    ("run_workers", "run", "state", "Workers that are working, late with a beat, silent, or have left."),
    ("run_silence_seconds", "run", "", "Since the last beat of the worker that is silent for longest and has not left."),
    ("run_device_seconds", "run", "device", "Seconds that went into the finished shards."),
    ("run_troubles", "run", "trouble", "Tries that made no shard, as workers tell."),
    ("run_index_waiting_shards", "run", "", "Shards that are listed and whose rows are not read yet."),
    ("run_unreadable_files", "run", "", "Shards whose rows cannot be read."),
    ("alarm", "run", "kind level", "1 for each alarm that is there."),
    ("worker_silence_seconds", "worker", "", "Since its last beat."),
    ("worker_rate_per_second", "worker", "unit", "What it makes, over the last five minutes."),
    ("worker_shard_age_seconds", "worker", "", "For which it has been at its shard; 0 between shards."),
    ("worker_cpu_cores", "worker", "", "Processor cores that are busy for it."),
    ("worker_memory_bytes", "worker", "", "Of its process and Blender."),
    ("worker_gpu_use_ratio", "gpu", "", "How busy a GPU that it sees is."),
    ("worker_gpu_memory_bytes", "gpu", "", "Memory in use of a GPU that it sees."),
    ("worker_gpu_memory_size_bytes", "gpu", "", "Memory of a GPU that it sees."),
    ("worker_gpu_temperature_celsius", "gpu", "", "Of a GPU that it sees."),
    ("training_state", "training", "state", "1 for how it is, 0 for how it might be."),
    ("training_step", "training", "", "Where it is."),
    ("training_steps_expected", "training", "", "Step at which it ends, where that is known."),
    ("training_steps_per_second", "training", "", "Its pace, where that is known."),
    ("training_left_seconds", "training", "", "Forecast; absent while nobody can tell."),
    ("training_silence_seconds", "training", "", "Since its last sign of life."),
    ("training_metric", "training", "metric", "The newest value of what it measures."),
    ("dashboard_look_age_seconds", "", "", "Since everything was last looked at."),
    ("dashboard_unseen_places", "", "", "Places that were given and hold nothing that can be watched."),
)  # fmt: skip
"""Name after `render_ih_`, whose labels it has, further labels, meaning."""


class Figure(NamedTuple):
    """One number."""

    name: str
    labels: tuple[str, ...]
    value: float


@dataclass
class _Kept:
    """What is computed anew only when a run's manifest, history or rows have changed."""

    manifest: Manifest | None = None
    sizes: tuple[Figure, ...] = ()
    history: tuple[Line, ...] | None = None
    devices: tuple[Figure, ...] = ()
    rows_of: int = -1
    refused: tuple[Figure, ...] = ()


class DeskCollector(Collector):
    """Figures of everything that a desk watches. Nothing here waits for storage."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._kept = desk, dict[str, _Kept]()
        self._lock = Lock()

    def describe(self) -> list[Metric]:
        """Names alone: nothing is asked when the collector is registered."""
        return list(_families().values())

    def collect(self) -> Iterator[Metric]:
        """All families, those without a number too. What of a run cannot be told is left out, and a line says so."""
        families, seen = _families(), set[tuple[str, ...]]()
        with self._lock:
            for figure in self._figures():
                labels = tuple(map(_label, figure.labels))
                if (key := (figure.name, *labels)) not in seen:  # Prometheus refuses a page that tells something twice
                    families[figure.name].add_metric(labels, figure.value)
                seen.add(key)
        yield from families.values()

    def _figures(self) -> Iterator[Figure]:
        catalogue = self._desk.catalogue
        sources = [lambda run=run: self._of_run(run) for run in list(catalogue.runs.values())]
        sources += [lambda training=one: _of_training(training.state) for one in list(catalogue.trainings.values())]
        for source in sources:
            try:
                yield from list(source())
            except Exception:  # one run that fails is no reason to tell nothing of the others
                _log.exception("figures of a run or a training cannot be told")
        yield Figure("dashboard_look_age_seconds", (), time.monotonic() - self._desk.watcher.looked)
        yield Figure("dashboard_unseen_places", (), len(catalogue.troubles))

    def _of_run(self, run: WatchedRun) -> Iterator[Figure]:
        state, index = run.state, self._desk.index(run)
        kept = self._kept.setdefault(run.name, _Kept())
        yield Figure("run_readable", (run.name,), not state.trouble)
        yield Figure("run_finished", (run.name,), state.is_finished)
        yield from _sizes(state, kept)
        yield from _refused(run.name, index, kept)
        yield from _devices(state, kept)
        yield from _progress(state)
        yield from _crew(run.name, Crew(state.workers))
        yield Figure("run_shards_set_aside", (run.name,), len(state.aside))
        yield Figure("run_index_waiting_shards", (run.name,), index.waiting)
        yield Figure("run_unreadable_files", (run.name,), len(index.troubles))
        for alarm in self._desk.lookout.alarms.get(run.name, ()):
            yield Figure("alarm", (run.name, alarm.kind, alarm.level), 1)


def _families() -> dict[str, GaugeMetricFamily]:
    labels = {name: (*_LABELS.get(whose, ()), *more.split()) for name, whose, more, _ in _FAMILIES}
    return {name: GaugeMetricFamily(f"render_ih_{name}", told, labels=labels[name]) for name, _, _, told in _FAMILIES}


def _label(value: str) -> str:
    """A label's value of a bearable length, without halves of characters, which no page can be written with."""
    return value[:_LONGEST].encode("utf-8", "replace").decode()


def _sizes(state: RunState, kept: _Kept) -> tuple[Figure, ...]:
    if state.manifest is not kept.manifest:
        tables = state.manifest.shards if state.manifest else {}
        counts = {
            "run_rows": {table: sum(shard.rows for shard in shards.values()) for table, shards in tables.items()},
            "run_bytes": {table: sum(shard.bytes for shard in shards.values()) for table, shards in tables.items()},
        }
        kept.sizes = tuple(
            Figure(name, (state.name, table), count) for name, found in counts.items() for table, count in found.items()
        )
        kept.manifest = state.manifest
    return kept.sizes


def _refused(run: str, index: RowIndex, kept: _Kept) -> tuple[Figure, ...]:
    """While the rows cannot be asked, what was known before counts."""
    if (version := index.version) == kept.rows_of:
        return kept.refused
    counts = Counter[tuple[str, str]]()
    seen = Counter[str]()
    try:
        found = index.ask("SELECT stage, reason, count(*) FROM refusals GROUP BY ALL ORDER BY 3 DESC, 1, 2")
    except duckdb.Error:
        _log.info("rows of %s cannot be asked now", run, exc_info=True)
        return kept.refused
    for stage, reason, count in found:
        seen[stage or ""] += 1
        counts[_label(stage or ""), _label(reason or "") if seen[stage or ""] <= _MOST_REASONS else OTHER] += count
    kept.refused = tuple(Figure("run_refused", (run, *key), count) for key, count in counts.items())
    kept.rows_of = version
    return kept.refused


def _devices(state: RunState, kept: _Kept) -> tuple[Figure, ...]:
    if state.history is not kept.history:
        seconds = Counter[str]()
        for line in state.history:
            device = _label(device_of(line))
            seconds[device if device in seconds or len(seconds) < _MOST_DEVICES else OTHER] += number(line, "seconds")
        kept.devices = tuple(
            Figure("run_device_seconds", (state.name, device), spent) for device, spent in seconds.items() if spent
        )
        kept.history = state.history
    return kept.devices


def _progress(state: RunState) -> Iterator[Figure]:
    progress = progress_of(state)
    for one in progress.stages:
        of = (state.name, one.stage.name)
        yield Figure("run_shards", of, one.shards)
        for name, value in (("run_shards_expected", one.of), ("run_done_ratio", one.share)):
            if value is not None:
                yield Figure(name, of, value)
    if progress.current is not None and progress.left is not None:
        yield Figure("run_left_seconds", (state.name, progress.current.stage.name), progress.left)


def _crew(run: str, crew: Crew) -> Iterator[Figure]:
    """Workers together, and as many of them one by one as there may be series for."""
    for health in Health:
        yield Figure("run_workers", (run, health.value), crew.counts[health.value])
    yield Figure("run_silence_seconds", (run,), max((member.state.quiet for member in crew.present), default=0.0))
    for unit, pace, _ in crew.paces:
        yield Figure("run_rate_per_second", (run, unit), pace)
    troubles = Counter[str]()
    for member in crew.members:
        troubles.update(numbers(member.record, "troubles"))
    for trouble, count in troubles.most_common(_MOST_REASONS):
        yield Figure("run_troubles", (run, _label(trouble)), count)
    for member in crew.present[:MOST_WORKERS]:
        yield from _member((run, _label(member.name)), member)


def _member(of: tuple[str, str], member: Member) -> Iterator[Figure]:
    yield Figure("worker_silence_seconds", of, member.state.quiet)
    if member.pace is not None:
        yield Figure("worker_rate_per_second", (*of, member.unit), member.pace)
    yield Figure("worker_shard_age_seconds", of, member.seconds_in_hand if member.text("shard") else 0.0)
    yield Figure("worker_cpu_cores", of, member.cores)
    yield Figure("worker_memory_bytes", of, member.memory)
    for place, gpu in enumerate(member.gpus[:_MOST_GPUS]):
        told = {
            "worker_gpu_use_ratio": None if gpu.use_percent is None else gpu.use_percent / 100,
            "worker_gpu_memory_bytes": gpu.memory,
            "worker_gpu_memory_size_bytes": gpu.of,
            "worker_gpu_temperature_celsius": gpu.temperature_c,
        }
        for name, value in told.items():
            if value is not None:
                yield Figure(name, (*of, str(place)), value)


def _of_training(state: TrainingState) -> Iterator[Figure]:
    of = (state.name,)
    for health in TrainingHealth:
        yield Figure("training_state", (*of, health.value), health is state.health)
    yield Figure("training_silence_seconds", of, state.quiet)
    told = {
        "training_step": state.step,
        "training_steps_expected": state.total,
        "training_steps_per_second": state.pace,
        "training_left_seconds": state.left,
    }
    for name, value in told.items():
        if value is not None:
            yield Figure(name, of, value)
    for metric, curve in sorted(state.curves.items())[:_MOST_CURVES]:
        if curve.newest is not None:
            yield Figure("training_metric", (*of, _label(metric)), curve.newest)

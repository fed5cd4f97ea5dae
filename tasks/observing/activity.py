"""What a worker is doing: the engine and the bars tell it, and it keeps the worker's record and metrics."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset.errors import InputError
from dataset.manifest import file_name
from dataset.versions import code_version
from dataset.work.attempt import Attempt, Made
from dataset.work.holder import machine
from tasks.observing import metrics
from tasks.observing.context import within
from tasks.observing.history import note_name
from tasks.observing.log import target
from tasks.observing.rates import Rate
from tasks.observing.record import Record, rows_of
from tasks.observing.usage import Usage
from tasks.run import Run

_LONGEST = 500
"""Characters of an error."""


class Activity:
    """Of one worker at one stage; hears its bars (`tasks.observing.context.Listener`)."""

    def __init__(self, run: Run, stage: str) -> None:
        """What goes on in `run`.

        Raises:
            InputError: what the environment says of lines or metrics cannot be.
        """
        target()
        self.run, self._began, self._usage, self._lock = run, time.monotonic(), Usage(), Lock()
        self._rates: dict[str, Rate] = {}
        self._taken: float | None = None
        self._steps: dict[str, float] = {}
        self._figures: dict[str, Any] = {}
        self.record = Record(
            run.worker,
            machine(),
            pid=os.getpid(),
            code_version=code_version(),
            stage=stage,
            device=self._device(stage),
            metrics=metrics.serve(),
        )

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Lines and bars of the block belong to the run, the stage and this worker."""
        run = self.run
        about = {"run": run.manifest.config_sha256[:16], "dataset": run.store.url, "worker": run.worker}
        with within(self, **about, stage=self.record.stage):
            yield

    @contextmanager
    def at(self, shard: str) -> Iterator[None]:
        """In the block the worker is at this shard."""
        self.record.shard, self._taken, self._steps = shard, time.monotonic(), {}
        self._figures = {}
        metrics.AGE.set_function(self._age)
        try:
            with within(shard=shard):
                yield
        finally:
            self.record.shard, self._taken, self.record.step = "", None, {}

    def note(self, attempt: Attempt) -> None:
        """Leave word, for the history, of who made the files of an attempt and how."""
        record, taken = self.record, self._age()
        about = {name: getattr(record, name) for name in ("stage", "shard", "worker", "device")}
        content = about | {"seconds": round(taken, 3), "steps": dict(self._steps)}
        if self._figures:
            content["figures"] = dict(self._figures)
        _quietly_write(self.run, note_name(attempt.token), content)

    def made(self, made: Made) -> None:
        """The shard is made and its files are at their places."""
        record, seconds = self.record, self._age()
        record.device = self._device(record.stage)
        rows, refused = rows_of(made)
        record.shards, record.rows, record.refused = record.shards + 1, record.rows + rows, record.refused + refused
        figures = {"rows": rows, "refused": refused, "seconds": round(seconds, 1), "steps": dict(self._steps)}
        record.last_shard = {"shard": record.shard} | figures
        metrics.SHARDS.labels(record.stage).inc()
        metrics.SECONDS.labels(record.stage).inc(seconds)
        for table, shard in made:
            metrics.ROWS.labels(table).inc(shard.rows)
            metrics.BYTES.labels(table).inc(shard.bytes)
        for reason, count in self._reasons(made).items():
            metrics.REFUSED.labels(record.stage, reason).inc(count)

    def met(self, trouble: str, sentence: str) -> None:
        """The shard was not made this time."""
        record = self.record
        record.last_error = sentence[:_LONGEST]
        record.troubles = record.troubles | {trouble: record.troubles.get(trouble, 0) + 1}
        metrics.TROUBLES.labels(record.stage, trouble).inc()

    def moved(self, unit: str, count: int, done: int, total: int) -> None:
        """A bar has moved."""
        with self._lock:
            self._rates.setdefault(unit, Rate(self._began)).add(count)
            self.record.step = {"done": done, "total": total, "unit": unit}
        metrics.STEPS.labels(unit).inc(count)

    def ended(self, title: str, seconds: float) -> None:
        """A bar has come to its end; steps go by its first word: Optimising, Checking, Rendering."""
        word = title.partition(" ")[0]
        self._steps[word] = round(self._steps.get(word, 0.0) + seconds, 3)

    def measured(self, when: str, figures: Mapping[str, Any]) -> None:
        """A step tells what the things at hand were like, for the shard's line in the history."""
        if figures:
            self._figures[when] = dict(figures)

    def beat(self) -> bytes:
        """The record as it is now."""
        record = self.record
        record.beat, record.seconds = record.beat + 1, round(time.monotonic() - self._began, 1)
        record.shard_seconds, record.device = round(self._age(), 1), self._device(record.stage)
        with self._lock:
            record.rates = {unit: round(rate.per_second(), 4) for unit, rate in self._rates.items()}
        vars(record).update(self._usage.now())
        return (json.dumps(vars(record), indent=1) + "\n").encode()

    def _age(self) -> float:
        taken = self._taken
        return time.monotonic() - taken if taken is not None else 0.0

    def _device(self, stage: str) -> str:
        """What Blender says it draws on, once it has begun; until then what the configuration says."""
        if stage != "images":
            return self.run.config.machine.optimise_device
        renderer = vars(self.run).get("renderer")
        return getattr(renderer, "drawing_on", "") or self.run.config.machine.render_device

    def _reasons(self, made: Made) -> Counter[str]:
        """How many were refused, by what stands before the colon; none where the file cannot be read now."""
        counts = Counter[str]()
        for shard in (shard for table, shard in made if table == "rejected" and shard.rows):
            with suppress(InputError, OSError, pa.ArrowException):
                path = self.run.store.fetch(file_name("rejected", shard.name), shard.bytes)
                reasons = pq.read_table(path, columns=["reason"])["reason"].to_pylist()
                counts.update(reason.partition(":")[0] for reason in reasons)
        return counts


def _quietly_write(run: Run, name: str, content: dict[str, Any]) -> None:
    """What others want to know holds nobody up."""
    with suppress(InputError, OSError):
        run.store.write(name, (json.dumps(content) + "\n").encode())

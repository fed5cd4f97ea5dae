"""The flows of a simulated run: the real engine around a renderer that sleeps and writes one tiny row."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from benchmarks.simulated.tally import CountedStore, Tally
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.schema import REJECTED
from dataset.storage.opening import open_store
from dataset.storage.store import Store
from dataset.work import control
from dataset.work.attempt import Attempt
from dataset.work.holder import worker_name
from tasks.config import RenderIHConfig
from tasks.limits import Watch
from tasks.progress import bar
from tasks.sharing.share import help_out, lead
from tasks.sharing.stage import Stage
from tasks.step import step

MEASURES = "RENDER_IH_SIMULATION"
"""Environment variable: the folder in which processes leave what they measured."""


@dataclass
class SimulatedRun:
    """As much of `tasks.run.Run` as the engine needs."""

    manifest: Manifest
    config: RenderIHConfig
    worker: str
    watch: Watch
    tally: Tally

    @property
    def store(self) -> Store:
        """Where the dataset is."""
        return self.manifest.store

    def work_lighter(self) -> bool:
        """Nothing here takes memory."""
        return False


@step
def sleep(run: SimulatedRun, shard: str, attempt: Attempt) -> None:
    """Stands for rendering."""
    run.tally.taken.append(time.monotonic())
    with bar(f"Sleeping over {shard}", 1, "shards") as advance:
        time.sleep(run.manifest.config["seconds"])
        advance(1)
    attempt.write(
        "rejected", shard, [dict.fromkeys(REJECTED.names, shard) | {"augmentation": 0, "value": 0, "limit": 0}]
    )


STAGE = Stage(
    "images", lambda run: [f"{number:05d}" for number in range(run.manifest.config["shards"])], sleep, table="rejected"
)


@flow(name="simulated-run")
def simulated_run(out: str, shards: int, seconds: float, deployment: str) -> int:
    """Lead a run of so many shards whose helpers are runs of a deployment; rows that the dataset has at its end."""
    with _measured("leader") as tally:
        store = CountedStore(open_store(out), tally)
        manifest = Manifest.open(store, {"shards": shards, "seconds": seconds})
        control.begin(store)
        config = RenderIHConfig(fleet={"images": deployment})
        run = SimulatedRun(manifest, config, worker_name(), Watch(config.limits), tally)
        lead(run, STAGE)
        tally.marks["led"] = time.monotonic()
        control.clear(store)
        return manifest.rows("rejected")


@flow(name="simulated-shards")
def simulated_shards(config: dict, out: str, stage: str) -> int:
    """Help with a simulated run; how many shards were made here."""
    with _measured("worker") as tally:
        store = CountedStore(open_store(out), tally)
        if control.Control.read(store) is None:
            raise InputError(f"{out}: no simulated run goes on there")
        known = RenderIHConfig.model_validate(config)
        run = SimulatedRun(Manifest.read(store), known, worker_name(), Watch(known.limits), tally)
        return help_out(run, STAGE)


@contextmanager
def _measured(role: str) -> Iterator[Tally]:
    tally = Tally(role)
    try:
        yield tally
    finally:
        tally.write(Path(os.environ[MEASURES]))

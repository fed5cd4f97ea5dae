"""A run whose shards are made at once: poses without content, and refused ones, for tests of what others see of a run."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.storage.opening import open_store
from dataset.work import control
from tasks.config import RenderIHConfig
from tasks.limits import Watch
from tasks.progress import bar, say
from tasks.sharing.stage import Stage

SHARDS = [f"{number:05d}" for number in range(4)]
POSES, REASONS = 3, ("penetration", "bad picture: black")
"""Of each shard."""


@dataclass
class Run:
    """As much of `tasks.run.Run` as the engine needs."""

    manifest: Manifest
    config: RenderIHConfig = field(default_factory=lambda: RenderIHConfig(fleet={"lease_seconds": 2}))
    worker: str = "anna"

    def __post_init__(self):
        self.store, self.watch = self.manifest.store, Watch(self.config.limits)

    def work_lighter(self) -> bool:
        return True


def begun(where: Path | str, worker: str = "anna") -> Run:
    """A run in a folder or a bucket, begun or joined."""
    store = open_store(where, patience=20)
    manifest = Manifest.open(store, {"seed": 1})
    control.begin(store)
    return Run(manifest, worker=worker)


def make(run, shard, attempt):
    """Three poses, two refused; one line from a thread of a pool."""
    with bar("Making poses", POSES, "poses") as advance, ThreadPoolExecutor(1) as pool:
        for _ in range(POSES):
            advance(1)
        pool.submit(say, f"made {shard}", rows=POSES).result()
    attempt.write_parts("poses", shard, [pa.table([pa.nulls(POSES, f.type) for f in TABLES["poses"]], TABLES["poses"])])
    about = dict.fromkeys(TABLES["rejected"].names, "x") | {"augmentation": 0, "value": 0, "limit": 0}
    attempt.write("rejected", shard, [about | {"pose_id": f"{shard}-{reason}", "reason": reason} for reason in REASONS])


def stage(make=make, shards=SHARDS) -> Stage:
    return Stage("poses", lambda run: shards, make, table="poses")

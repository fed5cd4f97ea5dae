"""A worker as others see it: `.work/workers/NAME.json`, written anew with every beat; gone when the dataset is finished."""

import json
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dataset.storage.store import Store
from dataset.work.attempt import Made

FOLDER = ".work/workers"
BEATS = 4
"""Times that a record is written anew in the time of a lease."""


@dataclass
class Record:
    """What a worker says of itself."""

    worker: str
    machine: str
    """Tells machines apart; see `dataset.work.holder.machine`."""
    host: str = field(default_factory=socket.gethostname)
    pid: int = 0
    device: str = ""
    """What it draws or computes on."""
    code_version: str = ""
    metrics: str = ""
    """URL of its page for Prometheus, if it has one."""
    stage: str = ""
    shard: str = ""
    """What it is at; empty between shards."""
    shard_seconds: float = 0.0
    """For which it has been at it."""
    step: dict[str, Any] = field(default_factory=dict)
    """How far the step is that it is at: `done` of `total` `unit`."""
    rates: dict[str, float] = field(default_factory=dict)
    """Things a second by unit (images, poses, …) over the last five minutes."""
    shards: int = 0
    """Made since it joined."""
    rows: int = 0
    """Images or poses made since it joined."""
    refused: int = 0
    last_shard: dict[str, Any] = field(default_factory=dict)
    """The last one made: `shard`, `rows`, `refused`, `seconds`, and the seconds of its `steps`."""
    troubles: dict[str, int] = field(default_factory=dict)
    """Shards that it did not make at the first try, by class; see `tasks.sharing.troubles`."""
    last_error: str = ""
    cpu_percent: float = 0.0
    """Of it and what it started; 100 is one core."""
    memory_mib: int = 0
    gpus: list[dict[str, Any]] = field(default_factory=list)
    """`name`, `use_percent`, `memory_mib` of `of_mib`, `temperature_c`."""
    seconds: float = 0.0
    """Since it joined."""
    beat: int = 0
    """Goes up while it lives."""
    beat_seconds: float = 0.0
    """Between two beats."""
    state: str = "working"
    """working, or why it left."""

    @property
    def file(self) -> str:
        """Its name on storage."""
        return f"{FOLDER}/{self.worker}.json"


def rows_of(made: Made) -> tuple[int, int]:
    """Rows made and rows refused."""
    counts = Counter[bool]()
    for table, shard in made:
        counts[table == "rejected"] += shard.rows
    return counts[False], counts[True]


def read_records(store: Store) -> list[dict[str, Any]]:
    """All workers that have worked on the run, as they said last; a record that is damaged is left out."""
    records = []
    for name in store.names(f"{FOLDER}/"):
        stored = store.read(name)
        with suppress(ValueError):
            records += [json.loads(stored.content)] if stored else []
    return records

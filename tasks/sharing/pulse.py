"""What a worker does beside its work: says that it lives and how it gets on, and hears what the run says."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from dataset.errors import InputError, StorageError
from dataset.work.attempt import Made
from dataset.work.control import Control
from dataset.work.holder import machine
from tasks.run import Run
from tasks.sharing.interruption import Interruption, Stopped

FOLDER = ".work/workers"


@dataclass
class Record:
    """A worker as others see it: `.work/workers/NAME.json`, written anew with every beat."""

    worker: str
    machine: str
    device: str = ""
    """What it draws on."""
    stage: str = ""
    shard: str = ""
    """What it is at; empty between shards."""
    shards: int = 0
    """Made since it joined."""
    rows: int = 0
    """Images or poses made since it joined."""
    refused: int = 0
    seconds: float = 0.0
    """Since it joined."""
    beat: int = 0
    """Goes up while it lives."""
    state: str = "working"
    """working, or why it left."""

    def count(self, made: Made) -> None:
        """A shard was made."""
        self.shards += 1
        for table, shard in made:
            if table == "rejected":
                self.refused += shard.rows
            else:
                self.rows += shard.rows

    @property
    def file(self) -> str:
        """Its name on storage."""
        return f"{FOLDER}/{self.worker}.json"


@contextmanager
def pulse(run: Run, interruption: Interruption, every: float, obey: bool) -> Iterator[Record]:
    """Writes the record while the block runs; with `obey`, ends the work when the run says so."""
    record, over, started = Record(run.worker, machine()), threading.Event(), time.monotonic()

    def beat() -> None:
        record.beat, record.seconds = record.beat + 1, round(time.monotonic() - started, 1)
        run.store.write(record.file, (json.dumps(asdict(record), indent=1) + "\n").encode())
        if obey and (reason := reason_to_stop(run)):
            interruption(Stopped(reason))

    def keep() -> None:
        while not over.wait(every):
            _quietly(beat)

    _quietly(beat)
    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield record
    finally:
        over.set()
        thread.join()
        record.state, record.shard = "left", ""
        if Control.read(run.store) is not None:
            _quietly(beat)


def reason_to_stop(run: Run) -> str:
    """Why the run wants no more work; empty while it does."""
    order = Control.read(run.store)
    if order is None:
        return "the run has ended"
    return "" if order.is_running else f"the run is {order.state}: {order.reason}"


def read_records(run: Run) -> list[dict[str, Any]]:
    """All workers that have worked on a run, as they said last."""
    stored = (run.store.read(name) for name in run.store.names(f"{FOLDER}/"))
    return [json.loads(one.content) for one in stored if one is not None]


def _quietly(act: Callable[[], None]) -> None:
    """A beat that cannot be heard for now stops no work."""
    try:
        act()
    except (StorageError, InputError, OSError):
        return

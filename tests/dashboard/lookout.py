"""A lookout over a run that a test makes up, on a clock and a disk of its own."""

from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dashboard.alarms import lookout as watching_alarms
from dashboard.alarms.lookout import Alarm, Lookout
from dashboard.catalogue import Catalogue
from dashboard.rows.keeper import Keeper
from dashboard.settings import Settings
from dashboard.watching.pulse import Health, WorkerState
from dashboard.watching.run import RunState
from dataset.manifest import Manifest
from dataset.shards import Shard
from dataset.storage.folder import FolderStore

GIB = 2**30


def worker(name="anna", health=Health.WORKING, quiet=0.0, **record) -> WorkerState:
    about = {"worker": name, "host": f"{name}-host", "stage": "images", "shard": "train-00003", "shards": 2}
    return WorkerState(about | record, health, quiet)


def line(number=0, stage="images", rows=100, refused=0, seconds=100.0, name="anna", device="CPU") -> dict:
    about = {"stage": stage, "rows": rows, "refused": refused, "seconds": seconds, "worker": name, "device": device}
    return about | {"attempt": str(number), "finished": "2026-01-01T00:00:00+00:00", "shard": f"{number:05d}"}


@dataclass
class Watch:
    """A lookout over one run whose state a test sets."""

    lookout: Lookout
    keeper: Keeper
    folder: Path
    clock: list[float]
    name: str = "one"
    state: RunState = field(init=False)
    store: FolderStore = field(init=False)

    def __post_init__(self):
        self.store = FolderStore(self.folder)
        self.show()

    def show(self, images=0, poses=0, finished=False, stopped="", **state) -> None:
        shards = {"images": images, "poses": poses, "plan": 0, "rejected": 0}
        tables = {name: {"00000": Shard("00000", rows, 1, "0" * 64)} if rows else {} for name, rows in shards.items()}
        splits = {"train": {}} if finished else {}
        origin = {"operation": "run"} | ({"stopped": stopped} if stopped else {})
        manifest = Manifest(self.folder, {}, origin, splits, tables)
        self.state = RunState(self.name, "some/place", **({"manifest": manifest} | state))

    def rows(self, sql: str) -> None:
        index = self.keeper.index(self.name)
        index.write(sql)
        index.version += 1

    def look(self, after: float = 0.0) -> dict[str, Alarm]:
        self.clock[0] += after
        found = self.lookout.look({self.name: self})[self.name]
        assert found == self.lookout.alarms[self.name]
        levels = [alarm.level for alarm in found]
        assert levels == sorted(levels), "bad comes before late"
        return {alarm.kind: alarm for alarm in found}


MakeWatch = Callable[..., Watch]


@contextmanager
def watches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeWatch]:
    """Makes watches with settings of alarms; room is plenty unless a test says otherwise."""
    keepers = []
    room(monkeypatch, 900 * GIB)

    def make(**alarms) -> Watch:
        keepers.append(Keeper(Catalogue(())))
        clock = [1000.0]
        lookout = Lookout(Settings(alarms=alarms), keepers[-1], lambda: clock[0])
        return Watch(lookout, keepers[-1], folder, clock)

    yield make
    for keeper in keepers:
        keeper.stop()


def room(monkeypatch, free: int) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(watching_alarms.shutil, "disk_usage", lambda _: usage(1000 * GIB, 0, free))


def shards(*seconds: float, **about) -> tuple[dict, ...]:
    return tuple(line(number, seconds=one, **about) for number, one in enumerate(seconds))

"""A run as it is now: its manifest, its workers' records, its history, and what is wrong."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.watching.pulse import Pulse, WorkerState
from dataset.errors import InputError
from dataset.manifest import FILE, Manifest
from dataset.storage.store import Store, Stored
from tasks.observing.history import FILE as HISTORY
from tasks.observing.history import Line, read_history
from tasks.observing.record import read_records
from tasks.observing.stages import read_stages

Clock = Callable[[], float]


@dataclass(frozen=True)
class RunState:
    """What one look at a run has found; pages never wait for storage."""

    name: str
    """In addresses of pages."""
    place: str
    """Where it lies, as pages show it; a storage's URL has no credentials in it."""
    manifest: Manifest | None = None
    """None: there is none that can be read yet. It is shared with the indexing thread: read only."""
    trouble: str = ""
    """Why the run cannot be read at the moment, in a sentence; everything else is then as last seen."""
    stages: Mapping[str, int] = field(default_factory=dict)
    """Shards of each stage that has begun; empty when the dataset is finished."""
    workers: tuple[WorkerState, ...] = ()
    """All that have worked on it, as last seen; they stay when the run is finished."""
    history: tuple[Line, ...] = ()
    """Shards in the order in which they were made; see `tasks.observing.history.read_history`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Of its only run; empty for a dataset that was put together from several."""
        return self.manifest.config if self.manifest and len(self.manifest.runs) == 1 else {}

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come."""
        return self.manifest is not None and self.manifest.is_finished

    def rows(self, table: str) -> int:
        """Of all finished shards of a table."""
        return self.manifest.rows(table) if self.manifest else 0


class WatchedRun:
    """Looks at one run. Only the watching thread calls `look`; anybody reads `state`."""

    def __init__(self, name: str, store: Store, place: str = "", clock: Clock = time.monotonic) -> None:
        """Nothing is read before the first look.

        Args:
            name: in addresses of pages.
            store: where it lies.
            place: how pages name that; default: the store's URL.
            clock: seconds that go up evenly.
        """
        self.store, self._clock = store, clock
        self.state = RunState(name, place or store.url)
        self._pulses: dict[str, Pulse] = {}
        self._manifest: Stored | None = None
        self._history_tag = ""

    @property
    def name(self) -> str:
        """In addresses of pages."""
        return self.state.name

    def look(self) -> RunState:
        """What is there now; what cannot be read is told in `trouble`."""
        before = self.state
        try:
            found = {"manifest": self._read_manifest(), "trouble": ""}
            found |= {"stages": read_stages(self.store), "history": self._read_history()}
        except InputError as error:
            found = {"trouble": str(error)}
        except (OSError, ValueError, KeyError) as error:
            found = {
                "trouble": f"{before.place}: cannot be read ({type(error).__name__}: {error}); it is looked at again"
            }
        self.state = RunState(**(vars(before) | found | {"workers": self._workers(bool(found.get("manifest")))}))
        return self.state

    def _read_manifest(self) -> Manifest:
        stored = self.store.read(FILE)
        if stored is None or self._manifest is None or stored.tag != self._manifest.tag or self.state.manifest is None:
            manifest = Manifest.read(self.store)
            self._manifest = stored
            return manifest
        return self.state.manifest

    def _read_history(self) -> tuple[Line, ...]:
        stored = self.store.read(HISTORY)
        if stored is None or stored.tag == self._history_tag:
            return self.state.history if stored else ()
        lines = tuple(read_history(self.store))
        self._history_tag = stored.tag
        return lines

    def _workers(self, readable: bool) -> tuple[WorkerState, ...]:
        """Records disappear with the finished dataset, so those that are gone stay as they were, as having left."""
        now = self._clock()
        try:
            records = {record["worker"]: record for record in read_records(self.store)} if readable else {}
        except (InputError, OSError, ValueError, KeyError, TypeError):
            records = {}  # half a folder, or storage that does not answer: the pulse goes on to age
        for name, record in records.items():
            self._pulses.setdefault(name, Pulse(now)).saw(record, now)
        over = self.state.is_finished
        return tuple(self._pulses[name].state(now, over) for name in sorted(self._pulses))

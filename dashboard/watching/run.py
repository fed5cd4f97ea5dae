"""A run as it is now: its manifest, its workers' records, its history, and what is wrong."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dashboard.watching.aside import Aside, AsideReader
from dashboard.watching.pulse import Pulse, WorkerState
from dashboard.watching.told import known_number
from dataset.errors import InputError
from dataset.manifest import FILE, Manifest
from dataset.storage.store import Store, Stored
from dataset.work.control import Control
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
    control: Control | None = None
    """What the run tells those who work on it; None when none goes on."""
    aside: Aside = field(default_factory=dict)
    """Shards that were set aside, with what went wrong."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Of its only run; empty for a dataset that was put together from several."""
        return self.manifest.config if self.manifest and len(self.manifest.runs) == 1 else {}

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """Width and height of its pictures, pixels; None when no configuration says."""
        camera = self.config.get("camera")
        if not isinstance(camera, Mapping):
            return None
        width, height = (known_number(camera, name) for name in ("width", "height"))
        return (int(width), int(height)) if width and height else None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come."""
        return self.manifest is not None and self.manifest.is_finished

    @property
    def is_whole(self) -> bool:
        """Whether it is finished and nothing that was planned is missing; one that was stopped may go on."""
        return self.is_finished and not self.manifest.stopped

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
        self._aside = AsideReader(store)

    @property
    def name(self) -> str:
        """In addresses of pages."""
        return self.state.name

    def look(self) -> RunState:
        """What is there now; what cannot be read is told in `trouble`."""
        before = self.state
        try:
            found = {"manifest": self._read_manifest(), "trouble": ""}
            found |= {"stages": dict(read_stages(self.store)), "history": self._read_history()}
            found |= {"control": Control.read(self.store)}
        except InputError as error:
            found = {"trouble": str(error)}
        except OSError as error:
            found = {
                "trouble": f"{before.place}: cannot be read ({error.strerror or 'no answer'}); it is looked at again"
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found = {
                "trouble": f"{before.place}: a file of the run is damaged (manifest, history or .work); it is looked at again"
            }
        fresh = RunState(**(vars(before) | found))
        if before.manifest and fresh.manifest and before.manifest.runs.keys() != fresh.manifest.runs.keys():
            self._pulses.clear()  # another dataset lies there by now, with workers of its own
        workers = self._workers(fresh)
        aside = before.aside if fresh.trouble else self._aside.look(fresh.manifest, workers, self._clock())
        self.state = replace(fresh, workers=workers, aside=aside)
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

    def _workers(self, fresh: RunState) -> tuple[WorkerState, ...]:
        """Records disappear with the finished dataset, so those that are gone stay as they were, as having left."""
        now = self._clock()
        try:
            found = read_records(self.store) if not fresh.trouble else []
            told = [record for record in found if isinstance(record, dict) and isinstance(record.get("worker"), str)]
            records = {record["worker"]: record for record in told}
        except (InputError, OSError, ValueError, KeyError, TypeError, RecursionError):
            records = {}  # half a folder, or storage that does not answer: the pulse goes on to age
        for name, record in records.items():
            self._pulses.setdefault(name, Pulse(now)).saw(record, now)
        whole = fresh.is_whole
        states = tuple(self._pulses[name].state(now, whole) for name in sorted(self._pulses))
        if fresh.is_finished and not any(state.is_at_work for state in states):  # stopped, and nobody goes on
            states = tuple(self._pulses[name].state(now, True) for name in sorted(self._pulses))
        return states

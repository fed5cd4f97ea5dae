"""One thread takes over the rows of all runs, a second each in turn, while watching and pages go on."""

import logging
import threading

from dashboard.catalogue import Catalogue
from dashboard.rows.index import Database, RowIndex
from dashboard.rows.photos import Photos
from dashboard.watching.run import WatchedRun
from dataset.errors import InputError

_log = logging.getLogger(__name__)
_TURN = 1.0
"""Seconds for one dataset before the next one has its turn."""
_REST = 1.0
"""Seconds between looks when there is nothing to take over."""


class Keeper:
    """An index for each run of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self._database = catalogue, Database()
        self._indices: dict[str, RowIndex] = {}
        self._photos: dict[str, Photos] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def index(self, run: str) -> RowIndex:
        """Of a run by name; empty at first."""
        with self._lock:
            if run not in self._indices:
                self._indices[run] = RowIndex(self._database)
                self._photos[run] = Photos(self._indices[run])
            return self._indices[run]

    def photos(self, run: str) -> Photos:
        """What some pictures of a run look like; nothing at first."""
        self.index(run)
        return self._photos[run]

    @property
    def versions(self) -> tuple[tuple[str, int, int], ...]:
        """Of each run: version of its index and pictures, and shards that wait; changes when one of them changes."""
        with self._lock:
            return tuple(
                (name, index.version + self._photos[name].version, index.waiting)
                for name, index in self._indices.items()
            )

    def start(self) -> None:
        """Take over from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take over no more."""
        self._over.set()
        if self._thread:
            self._thread.join(10)
        self._database.close()

    def turn(self) -> bool:
        """Give each run its turn; whether anything was taken over."""
        return any([self._take_in(run) for run in list(self._catalogue.runs.values())])

    def _take_in(self, run: WatchedRun) -> bool:
        state = run.state
        if state.manifest is None or self._over.is_set():
            return False
        try:
            changed = self.index(run.name).take_in(state.manifest, run.store, state.history, _TURN)
            return self.photos(run.name).look(state.manifest, run.store) or changed
        except (InputError, OSError) as error:  # storage that does not answer now
            _log.info("%s: %s", run.name, error)
        except Exception:  # one run that fails is no reason to leave the others
            _log.exception("rows of %s cannot be taken over", run.name)
        return False

    def _keep(self) -> None:
        while not self._over.is_set():
            if not self.turn():
                self._over.wait(_REST)

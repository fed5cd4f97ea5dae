"""One thread looks at everything every few seconds; browsers ask whether something has changed."""

import logging
import threading
import time
from collections.abc import Callable

from dashboard.catalogue import Catalogue
from dashboard.prefect import FlowRuns
from dashboard.watching.run import WatchedRun

_log = logging.getLogger(__name__)
_BUCKET_EVERY = 3
"""Looks of which a bucket gets one: each is a handful of requests to its server."""
_CATALOGUE_EVERY = 5
"""Looks of which one looks for new datasets."""


class Watcher:
    """Keeps the states of a catalogue's runs fresh."""

    def __init__(self, catalogue: Catalogue, every: float = 2.0, besides: Callable[[], object] | None = None) -> None:
        """Nothing happens before `start` or `look`.

        Args:
            catalogue: what is watched.
            every: seconds between looks.
            besides: called after each look, for what else follows the runs; its result tells whether it has changed.
        """
        self.catalogue, self.every = catalogue, every
        self.version = 0
        """Goes up when something has changed."""
        self.looked = time.monotonic()
        """When the last look ended."""
        self.flow_runs = FlowRuns(catalogue)
        """What Prefect knows of the runs."""
        self._besides, self._looks = besides, 0
        self._seen: object = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._keep, name="watcher", daemon=True)
        self._thread.start()
        self.flow_runs.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.flow_runs.stop()
        if self._thread:
            self._thread.join(5)

    def look(self) -> None:
        """Look at everything once."""
        if self._looks % _CATALOGUE_EVERY == 0:
            self.catalogue.look()
        for run in list(self.catalogue.runs.values()):
            if self._looks % _BUCKET_EVERY == 0 or "://" not in run.store.url:
                self._look_at(run)
        self.catalogue.look_at_trainings()
        self._looks += 1
        also = self._besides() if self._besides else None
        states = {name: run.state for name, run in self.catalogue.runs.items()}
        trainings = self.catalogue.training_versions
        seen = (states, trainings, dict(self.catalogue.troubles), self.flow_runs.found, also)
        self.looked = time.monotonic()
        if seen != self._seen:
            self._seen, self.version = seen, self.version + 1

    def _look_at(self, run: WatchedRun) -> None:
        """One run that fails is no reason to leave the others."""
        try:
            run.look()
        except Exception:
            _log.exception("a look at %s failed", run.name)

    def _keep(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self.look()
            except Exception:  # one look that fails is no reason to look no more
                _log.exception("a look at the runs failed")
            self._over.wait(max(self.every - (time.monotonic() - began), self.every / 4))

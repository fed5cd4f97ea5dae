"""Shards that were set aside because making them failed again and again, with what went wrong.

Only claims tell, and a large run has thousands. So nothing is read until a worker's record tells of trouble, then now and
then, and only the claims of shards that are neither made nor in a living worker's hands: those are few.
"""

import json
from collections.abc import Mapping
from contextlib import suppress

from dashboard.watching.pulse import WorkerState
from dashboard.watching.stages import STAGES
from dashboard.watching.told import numbers, text
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.storage.store import Store
from dataset.work.claims import FOLDER

EVERY = 30.0
"""Seconds between two times."""
MOST = 24
"""Claims that are read at a time."""
_LONGEST = 300
"""Characters of a fault."""

Aside = Mapping[str, tuple[str, ...]]
"""Stage and shard, as `images/train-00012`, to the faults of its tries."""


class AsideReader:
    """Of one run."""

    def __init__(self, store: Store) -> None:
        self._store, self._looked = store, float("-inf")
        self._found: dict[str, tuple[str, ...]] = {}

    def look(self, manifest: Manifest | None, workers: tuple[WorkerState, ...], now: float) -> Aside:
        """What is known by now; storage is asked if it is time, and what it does not answer is asked again."""
        if manifest is None or manifest.is_finished:
            self._found = {}
        elif now - self._looked >= EVERY and any(numbers(worker.record, "troubles") for worker in workers):
            self._looked = now
            with suppress(InputError, OSError, ValueError):
                self._found = self._read(manifest, workers)
        return dict(self._found)

    def _read(self, manifest: Manifest, workers: tuple[WorkerState, ...]) -> dict[str, tuple[str, ...]]:
        in_hand = {f"{text(w.record, 'stage')}/{text(w.record, 'shard')}" for w in workers if w.is_at_work}
        names = [
            f"{stage.name}/{shard}"
            for stage in STAGES
            for shard in self._claimed(stage.name) - stage.made(manifest)
            if f"{stage.name}/{shard}" not in in_hand
        ]
        names.sort(key=lambda name: (name in self._found, name))  # those that were not read yet come first
        found = {name: faults for name, faults in self._found.items() if name in names[MOST:]}
        for name in names[:MOST]:
            if faults := self._faults(name):
                found[name] = faults
        return dict(sorted(found.items()))

    def _claimed(self, stage: str) -> set[str]:
        prefix = f"{FOLDER}/{stage}/"
        return {name.removeprefix(prefix).removesuffix(".json") for name in self._store.names(prefix)}

    def _faults(self, name: str) -> tuple[str, ...]:
        """Of a shard that is set aside; none of another."""
        stored = self._store.read(f"{FOLDER}/{name}.json")
        content = json.loads(stored.content) if stored else {}
        if not isinstance(content, dict) or content.get("state") != "failed":
            return ()
        faults = content.get("faults")
        return tuple(str(fault)[:_LONGEST] for fault in faults) if isinstance(faults, list) and faults else ("failed",)

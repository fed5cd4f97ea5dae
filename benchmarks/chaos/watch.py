"""The claims of a run as they are seen from outside: how many workers have had each shard, and what is done."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dataset.errors import InputError
from dataset.storage.store import Store
from dataset.work.claims import FOLDER

EVERY = 0.5
"""Seconds between looks."""
_DONE_EVERY = 20
"""Looks between those at claims that are done, which can only be opened again."""


@dataclass
class Seen:
    """A claim."""

    takes: int = 0
    before: int = 0
    """Takes before it was opened again, which begins anew."""
    state: str = ""


@dataclass
class Watch:
    """All claims, by STAGE/SHARD."""

    claims: dict[str, Seen] = field(default_factory=dict)
    _looks: int = 0

    @property
    def done(self) -> int:
        """Shards that are made."""
        return sum(claim.state == "done" for claim in self.claims.values())

    @property
    def takes(self) -> int:
        """How often a shard was taken."""
        return sum(claim.before + claim.takes for claim in self.claims.values())

    @property
    def again(self) -> int:
        """How often a shard was taken that somebody had had already."""
        return self.takes - len(self.claims)

    @property
    def unfinished(self) -> list[str]:
        """Claims that were last seen in another state than done."""
        return sorted(name for name, claim in self.claims.items() if claim.state != "done")

    def look(self, store: Store) -> None:
        """Read what may have changed."""
        self._looks += 1
        for file in store.names(f"{FOLDER}/"):
            name = file.removeprefix(f"{FOLDER}/").removesuffix(".json")
            if name in self.claims and self.claims[name].state == "done" and self._looks % _DONE_EVERY:
                continue
            stored = store.read(file)
            if stored is not None:
                self.note(name, **{key: json.loads(stored.content)[key] for key in ("takes", "state")})

    def note(self, name: str, takes: int, state: str) -> None:
        """A claim as it is now."""
        seen = self.claims.setdefault(name, Seen())
        if takes < seen.takes:
            seen.before += seen.takes
        seen.takes, seen.state = takes, state


@contextmanager
def watching(store: Store) -> Iterator[Watch]:
    """Looks again and again while the block runs."""
    watch, over = Watch(), threading.Event()

    def keep() -> None:
        while not over.wait(EVERY):
            try:
                watch.look(store)
            except (InputError, OSError):
                continue

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()

"""Who made which shard when, kept with the dataset: `history/shards.jsonl`, a line for each shard that was made.

Workers leave a note with each attempt, which the run's leader turns into a line; it alone writes the file, whole each time,
by compare-and-swap, so that several leaders lose no line. Times are those of the leader's clock.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from dataset.storage.store import Store
from dataset.work.attempt import Attempt
from tasks.observing.record import rows_of

FILE = "history/shards.jsonl"
NOTES = ".work/notes"

Line = dict[str, Any]


def note_name(token: str) -> str:
    """Where the maker of an attempt leaves word."""
    return f"{NOTES}/{token}.json"


@dataclass
class History:
    """What a leader has seen made at one stage."""

    store: Store
    stage: str
    _new: dict[str, Line] = field(default_factory=dict)
    """Attempts that the file does not have yet."""
    _lock: Lock = field(default_factory=Lock)

    def saw(self, attempt: Attempt) -> None:
        """It was made just now."""
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        rows, refused = rows_of(attempt.made)
        size = sum(shard.bytes for _, shard in attempt.made)
        figures = {"rows": rows, "refused": refused, "bytes": size, "finished": finished}
        with self._lock:
            self._new[attempt.token] = {"attempt": attempt.token, "stage": self.stage} | figures

    def write(self) -> None:
        """Bring what was seen into the file.

        Raises:
            InputError, StorageError: of the storage; what was seen is kept for the next time.
        """
        with self._lock:
            new = dict(self._new)
        if not new:
            return
        for token, line in new.items():
            line |= self._note(token)
        written = False
        while not written:
            stored = self.store.read(FILE)
            lines = {line["attempt"]: line for line in _parsed(stored.content)} if stored else {}
            unknown = {token: line for token, line in new.items() if token not in lines}
            content = "".join(json.dumps(line) + "\n" for line in (lines | unknown).values()).encode()
            if stored is None:
                written = self.store.create(FILE, content)
            else:
                written = content == stored.content or self.store.replace(FILE, content, stored.tag)
        with self._lock:
            for token in new:
                self._new.pop(token)

    def _note(self, token: str) -> Line:
        """Nothing, when it did not reach the storage."""
        stored = self.store.read(note_name(token))
        return json.loads(stored.content) if stored else {}


def read_history(store: Store) -> list[Line]:
    """A dataset's shards in the order in which they were made.

    Each has `attempt`, `stage`, `rows`, `refused`, `bytes` and `finished` (UTC); and, unless the note of who made it was
    lost, `shard`, `worker`, `device`, `seconds` and `steps` (seconds by step). Shards of poses have `figures`, too: what
    some of their poses were like `before` and `after` optimisation, see `tasks.pose_figures.summary`.
    """
    stored = store.read(FILE)
    return sorted(_parsed(stored.content), key=lambda line: line["finished"]) if stored else []


def _parsed(content: bytes) -> list[Line]:
    return [json.loads(line) for line in content.splitlines()]

"""What a process of a simulated run asks of storage and when it had which shard; written to a file when the process ends."""

import json
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from io import IOBase
from pathlib import Path
from typing import Any

import psutil

from dataset.storage.store import Store, Stored


@dataclass
class Tally:
    """Of one process. Times are seconds of the machine's monotonic clock, the same for all its processes."""

    role: str
    """leader or worker."""
    began: float = field(default_factory=time.monotonic)
    """When the flow's own code began."""
    cpu_began: float = field(default_factory=time.process_time)
    """Processor seconds that the process had taken by then."""
    asked: Counter[str] = field(default_factory=Counter)
    """Operations of the store, by name; what creates or replaces in vain ends in ` (lost)`."""
    taken: list[float] = field(default_factory=list)
    """When the making of each shard began."""
    committed: list[float] = field(default_factory=list)
    """When each shard's claim was done."""
    marks: dict[str, float] = field(default_factory=dict)
    """Other moments, by name."""

    def write(self, folder: Path) -> None:
        """Leave all of it in a file."""
        process = psutil.Process()
        spent, awake = process.cpu_times(), time.time() - process.create_time()
        used = {
            "pid": process.pid,
            "started": time.monotonic() - awake,
            "ended": time.monotonic(),
            "cpu": spent.user + spent.system,
            "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        (folder / f"{self.role}-{process.pid}-{time.monotonic_ns()}.json").write_text(json.dumps(vars(self) | used))


def read_tallies(folder: Path, role: str) -> list[dict[str, Any]]:
    """All that processes of a role have left."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{role}-*.json"))]


class CountedStore:
    """A store (`dataset.storage.store.Store`) that counts what is asked of another."""

    def __init__(self, store: Store, tally: Tally) -> None:
        self._store, self._tally = store, tally
        self.url, self.folder = store.url, store.folder

    def read(self, name: str) -> Stored | None:
        """A small file."""
        return self._counted("read", self._store.read(name))

    def create(self, name: str, content: bytes) -> str | None:
        """Write a file that is not there."""
        return self._counted("create", self._store.create(name, content))

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Write a file whose tag is still `tag`; the step of a claim to done is a commit."""
        new = self._counted("replace", self._store.replace(name, content, tag))
        if new and name.startswith(".work/claims/") and json.loads(content)["state"] == "done":
            self._tally.committed.append(time.monotonic())
        return new

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        self._counted("write", True)
        self._store.write(name, content)

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._counted("remove", True)
        self._store.remove(name)

    def clear(self, prefix: str) -> None:
        """Remove all files of a folder."""
        self._counted("clear", True)
        self._store.clear(prefix)

    def names(self, prefix: str) -> list[str]:
        """Names in a folder."""
        found = self._store.names(prefix)
        self._tally.asked["names"] += 1
        self._tally.asked["names (pages of 1000)"] += max(1, -(-len(found) // 1000))
        return found

    def size(self, name: str) -> int | None:
        """Bytes of a file."""
        return self._counted("size", self._store.size(name))

    def publish(self, name: str) -> None:
        """Bring a file to storage."""
        self._counted("publish", True)
        self._store.publish(name)

    def fetch(self, name: str, size: int | None = None) -> Path:
        """Bring a file from storage."""
        self._counted("fetch", True)
        return self._store.fetch(name, size)

    def open(self, name: str) -> IOBase:
        """A file to be read in pieces."""
        self._counted("open", True)
        return self._store.open(name)

    def move(self, source: str, target: str) -> bool:
        """Give a file another name."""
        return self._counted("move", self._store.move(source, target))

    def _counted(self, operation: str, answer: Any) -> Any:
        self._tally.asked[operation if answer not in (None, False) else f"{operation} (lost)"] += 1
        return answer

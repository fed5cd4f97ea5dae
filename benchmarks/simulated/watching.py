"""What the processes of a simulated fleet take while they work: processor time and memory of process trees, bytes and rows of
Prefect's database, and requests that its server answered.
"""

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil

MIB = 1 << 20
_REQUEST = re.compile(r'"(GET|POST|PUT|PATCH|DELETE|HEAD|WebSocket) (\S+?)(?:\?\S*)?( HTTP/[\d.]+)?" ')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27,}")


class Trees:
    """Processor seconds and most memory of process trees, by name; looked at twice a second."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = {name: psutil.Process(pid) for name, pid in roots.items()}
        self._seconds: dict[str, dict[psutil.Process, float]] = {name: {} for name in roots}
        self._before: dict[str, float] = {}
        self.most = dict.fromkeys(roots, 0.0)
        """MiB that were resident at once."""

    @contextmanager
    def watched(self) -> Iterator["Trees"]:
        """In the block they are looked at; processor time counts from its begin."""
        self.look()
        self._before = self._spent()
        over = threading.Event()

        def keep() -> None:
            while not over.wait(0.5):
                self.look()

        thread = threading.Thread(target=keep)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()
            self.look()

    @property
    def seconds(self) -> dict[str, float]:
        """Processor seconds of each tree since the block began; of a process that ended, up to half a second before."""
        return {name: spent - self._before[name] for name, spent in self._spent().items()}

    def look(self) -> None:
        """Once at each."""
        for name, root in self._roots.items():
            resident = 0
            with suppress(psutil.Error):
                for process in (root, *root.children(recursive=True)):
                    with suppress(psutil.Error):
                        times = process.cpu_times()
                        self._seconds[name][process] = times.user + times.system
                        resident += process.memory_info().rss
            self.most[name] = max(self.most[name], resident / MIB)

    def _spent(self) -> dict[str, float]:
        return {name: sum(seconds.values()) for name, seconds in self._seconds.items()}


def requests(log: str) -> Counter[str]:
    """Requests by method and path in the lines of the server's log; ids are left out."""
    found = ((match[1], _ID.sub("ID", match[2])) for match in _REQUEST.finditer(log))
    return Counter(f"{method} {path.removeprefix('/api')}" for method, path in found)


def database_rows(file: Path) -> tuple[int, Counter[str]]:
    """Bytes in use of an SQLite database, and the rows of each of its tables."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=60)) as connection:
        ask = lambda text: connection.execute(text).fetchone()[0]  # noqa: E731
        used = (ask("PRAGMA page_count") - ask("PRAGMA freelist_count")) * ask("PRAGMA page_size")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return used, Counter({name: ask(f'SELECT count(*) FROM "{name}"') for (name,) in tables})

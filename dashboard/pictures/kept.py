"""Pictures that were drawn before, and the few threads that draw new ones."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MOST_BYTES = 48 * 1024 * 1024
THREADS = 2
"""Pictures that are drawn at the same time; further requests wait without holding a thread of the pages."""


class KeptPictures:
    """Encoded pictures by key; those that were asked for longest ago are forgotten first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self.bytes = most_bytes, 0
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, draw: Callable[[], bytes]) -> bytes:
        """The picture of a key, drawn unless it is there."""
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        picture = draw()
        with self._lock:
            if key not in self._pictures and len(picture) <= self._most:
                self._pictures[key] = picture
                self.bytes += len(picture)
            while self.bytes > self._most:
                self.bytes -= len(self._pictures.popitem(last=False)[1])
        return picture


class Drawers:
    """A few threads for pictures alone."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pictures")

    async def do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What `work` gives; one that nobody waits for any more is not begun."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

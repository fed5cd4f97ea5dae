"""A trainer's lines, told to the person or the server that watches: all of them, unless there are too many."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from prefect import get_run_logger
from prefect.context import FlowRunContext

from tasks.progress import say

SECONDS, LINES = 10.0, 50
"""At most so many lines in so many seconds; a server keeps a row for each."""
_LONGEST = 500
_KEPT = 2000


def teller() -> Callable[[str], None]:
    """Where lines go: the log of the Prefect run, or the terminal."""
    return get_run_logger().info if FlowRunContext.get() else say


class Log:
    """Passes lines on, counts those that are too many, and keeps the last ones for a diagnosis."""

    def __init__(self, file: Path, tell: Callable[[str], None]) -> None:
        """`file` is where all lines can be read."""
        self.file, self._tell = file, tell
        self.last: deque[str] = deque(maxlen=_KEPT)
        self._since, self._told, self._left_out = time.monotonic(), 0, 0

    def lines(self, lines: Iterable[str]) -> None:
        """Lines of the trainer."""
        if time.monotonic() - self._since > SECONDS:
            self.flush()
        for line in lines:
            self.last.append(line)
            if self._told < LINES:
                self._told += 1
                self._tell(line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …")
            else:
                self._left_out += 1

    def flush(self) -> None:
        """Say how many lines were left out, and begin to count anew."""
        if self._left_out:
            self._tell(f"({self._left_out} lines more in {self.file})")
        self._since, self._told, self._left_out = time.monotonic(), 0, 0

    def say(self, sentence: str) -> None:
        """A line of the job itself, always told."""
        self._tell(sentence)

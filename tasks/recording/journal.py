"""What a run and its steps did and when, line by line in a file of its own; nothing here ever holds a run back.

A line is a JSON object: `{"id", "at", …}` begins a run (the first line) or a step, `{"id", "at", "state", "message"}` ends it;
`at` is in seconds since 1970. The run's process holds a lock on the file, so that everybody can see whether it still works.
"""

import fcntl
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

SUFFIX = ".jsonl"
_LONGEST = 2000
"""Characters of a message that are kept."""


class Journal:
    """The journal of one run, open for as long as the run works."""

    def __init__(self, folder: Path) -> None:
        """Begin an empty one in `folder`; it appears there when it is locked.

        Raises:
            OSError: it cannot be written, or files cannot be locked there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{host()}.{uuid4()}{SUFFIX}"
        hidden = self.path.with_name(f".{self.path.name}")
        self._file: IO[bytes] = hidden.open("ab", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(self.path)
        self._counts: dict[str, int] = {}
        self._began, self._ticks = time.time(), time.monotonic()

    @contextmanager
    def entry(self, name: str, **about: Any) -> Iterator[None]:
        """Note that the block begins, and how it ends; `about` is plain JSON values."""
        number = self._counts[name] = self._counts.get(name, -1) + 1
        identity = str(uuid4())
        self._write(id=identity, name=name, number=number, **about)
        try:
            yield
        except BaseException as error:
            state = "Failed" if isinstance(error, Exception) else "Cancelled"
            message = str(error) or type(error).__name__
            self._write(id=identity, state=state, message=message[:_LONGEST])
            raise
        self._write(id=identity, state="Completed", message="")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, **entry: Any) -> None:
        at = self._began + time.monotonic() - self._ticks  # clocks may be set while a run works
        line = json.dumps(entry | {"at": at})
        with suppress(OSError):  # no space: the run matters, its journal does not
            self._file.write(f"\n{line}".encode())  # the line break first: half a line spoils no other


_CURRENT: ContextVar[Journal | None] = ContextVar("journal", default=None)


@contextmanager
def kept(journal: Journal) -> Iterator[None]:
    """Steps within the block write to this journal; it is closed at the end."""
    token = _CURRENT.set(journal)
    try:
        yield
    finally:
        _CURRENT.reset(token)
        journal.close()


@contextmanager
def noted(name: str, key: str) -> Iterator[None]:
    """A step of the run whose journal is kept, if one is; `key` is what Prefect tells tasks apart by."""
    journal = _CURRENT.get()
    if journal is None:
        yield
    else:
        with journal.entry(name, key=key):
            yield


def in_use(path: Path) -> bool:
    """Whether the process that writes a journal still lives."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def host() -> str:
    """This machine's name, as journals have it: locks are not seen from others everywhere."""
    return "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname())

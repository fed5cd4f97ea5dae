"""Files that appear under their name complete or not at all, and folders that one process writes at a time."""

import errno
import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dataset.errors import InputError, StorageError

_LEFTOVER = re.compile(r"\..+\.(?P<host>[^.]+)-(?P<pid>\d+)\.partial")
_FOREIGN_AGE = 24 * 3600
"""Seconds after which an unfinished file of another machine counts as abandoned."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what a user can mend, a full disk or missing rights, into an `InputError` about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            reason = "no space left to write it; free some and run again, finished shards are kept"
            raise StorageError(f"{path}: {reason}") from error
        if error.errno in _FORBIDDEN:
            reason = "cannot be written; choose another output directory or change its rights"
            raise InputError(f"{path}: {reason}") from error
        raise


@contextmanager
def only_one(lock: Path, busy: str) -> Iterator[None]:
    """Keeps other processes out of a folder, which is made if it is not there, while the block runs.

    Args:
        lock: a file in the folder; it stays there.
        busy: what to say when another process is in.

    Raises:
        InputError: one is, or the folder cannot be written.
    """
    with explained(lock.parent):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{lock.parent}: {busy}") from error
        yield


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that is renamed to `path` when the block ends well, and removed otherwise.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{_host()}-{os.getpid()}.partial")
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink()


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a whole file atomically; text as UTF-8."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def is_partial(path: Path) -> bool:
    """Whether a file is one that `atomic_file` has not finished."""
    return _LEFTOVER.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove unfinished files in a folder tree whose writer is dead; returns what was removed."""
    leftovers = [path for path in folder.rglob(".*.partial") if _is_abandoned(path)]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return leftovers


def _is_abandoned(path: Path) -> bool:
    match = _LEFTOVER.fullmatch(path.name)
    if match is None:
        return False
    if match["host"] == _host():
        return not _is_alive(int(match["pid"]))
    return time.time() - path.stat().st_mtime > _FOREIGN_AGE


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())


def sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

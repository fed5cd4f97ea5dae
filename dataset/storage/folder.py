"""A dataset in a folder of this machine, or of a file system that several machines share and that honours `flock`."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import IOBase
from pathlib import Path

from dataset.atomic import atomic_write, explained, is_partial, sync_folder
from dataset.errors import InputError
from dataset.storage.store import Stored

LOCK = ".lock"


class FolderStore:
    """See `dataset.storage.store.Store`. Nothing is made before something is written."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = Path(folder), str(folder)

    def __repr__(self) -> str:
        return self.url

    def read(self, name: str) -> Stored | None:
        """A small file; None where there is none."""
        path = self._path(name)
        with explained(path):
            try:
                content = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Stored(content, _tag(content))

    def create(self, name: str, content: bytes) -> str | None:
        """Write a file that is not there; its tag, or None when there is one."""
        with self._locked():
            if self._path(name).exists():
                return None
            return self._put(name, content)

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Write a file whose tag is still `tag`; the new tag, or None when it is another by now, or gone."""
        with self._locked():
            there = self.read(name)
            return self._put(name, content) if there is not None and there.tag == tag else None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whatever is there."""
        self._put(name, content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with explained(self._path(name)):
            self._path(name).unlink(missing_ok=True)

    def clear(self, prefix: str) -> None:
        """Remove all files whose names begin with a prefix, and its folders."""
        shutil.rmtree(self._path(prefix), ignore_errors=True)

    def names(self, prefix: str) -> list[str]:
        """Names that begin with a prefix, in order; unfinished files are left out."""
        found = []
        for folder, _, files in os.walk(self._path(prefix) if prefix else self.folder):
            place = Path(folder).relative_to(self.folder)
            found += [(place / file).as_posix() for file in files if file != LOCK and not is_partial(Path(file))]
        return sorted(found)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        try:
            return self._path(name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def publish(self, name: str) -> None:
        """Nothing to do: the file lies where it belongs."""

    def fetch(self, name: str, size: int | None = None) -> Path:
        """Where the file lies."""
        return self._path(name)

    def open(self, name: str) -> IOBase:
        """A file to be read in pieces.

        Raises:
            InputError: there is no such file, or it cannot be read.
        """
        path = self._path(name)
        with explained(path):
            try:
                return path.open("rb")
            except (FileNotFoundError, NotADirectoryError):
                raise InputError(f"{self.url}: there is no {name}; has another program removed it?") from None

    def move(self, source: str, target: str) -> bool:
        """Give a file another name, in the place of what is there; False when there is no `source`."""
        old, new = self._path(source), self._path(target)
        with explained(new):
            new.parent.mkdir(parents=True, exist_ok=True)
            try:
                old.replace(new)
            except FileNotFoundError:
                return False
            sync_folder(new.parent)
        return True

    def _put(self, name: str, content: bytes) -> str:
        atomic_write(self._path(name), content)
        return _tag(content)

    def _path(self, name: str) -> Path:
        if name.startswith("/") or ".." in name.split("/"):
            raise InputError(f"{self.url}: '{name}' is no name of a file in a dataset")
        return self.folder / name

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / LOCK).open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

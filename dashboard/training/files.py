"""Files of a folder that others write to: read in bounded pieces, and never what lies outside of it."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple


class Signs(NamedTuple):
    """Others when a file has changed; those of a file that is not there are zeros."""

    inode: int = 0
    size: int = 0
    """Bytes."""
    changed: int = 0
    """Nanoseconds since 1970, by the clock of whoever keeps the file."""


class Found(NamedTuple):
    """A regular file inside a folder."""

    path: Path
    """With no link in it any more."""
    signs: Signs

    def open(self) -> BinaryIO:
        """For reading; a link that has taken its place since is not followed.

        Raises:
            OSError: it is gone, or not ours to read.
        """
        return os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def inside(folder: Path, name: str) -> Path | None:
    """What a name in a folder leads to, with no link in it any more; None when that is nothing, or lies outside."""
    try:
        path = (folder / name).resolve(strict=True)
        return path if path.is_relative_to(folder.resolve(strict=True)) else None
    except (OSError, RuntimeError, ValueError):  # gone, not ours, links in a circle, a zero byte in the name
        return None


def find(folder: Path, name: str) -> Found | None:
    """A regular file in a folder or below it; None when there is none, or a link leads out of the folder."""
    path = inside(folder, name)
    try:
        about = path.stat() if path else None
    except OSError:
        return None
    if path is None or about is None or not stat.S_ISREG(about.st_mode):
        return None
    return Found(path, Signs(about.st_ino, about.st_size, about.st_mtime_ns))


def ending(found: Found, most: int) -> bytes:
    """The last bytes of a file; empty when it cannot be read."""
    try:
        with found.open() as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read(most)
    except OSError:
        return b""

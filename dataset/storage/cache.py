"""Where files of buckets lie on this machine: one folder a URL, which processes share."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataset.atomic import explained


def cache_folder(endpoint: str, bucket: str, prefix: str) -> Path:
    """The folder of a URL, inside the user's cache; the same prefix on another server has another.

    Its name is the last part of the URL, since a dataset is shown by the name of its folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    root = (Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache") / "render-ih" / "buckets"
    digest = hashlib.sha256("\n".join([endpoint, bucket, prefix]).encode()).hexdigest()[:16]
    return root / digest / (prefix.rpartition("/")[2] or bucket)


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Lets one thread of one process on this machine at a time bring a file to a cache folder.

    Raises:
        InputError: the cache cannot be written.
    """
    locks = folder.parent / "locks"
    with explained(locks):
        locks.mkdir(parents=True, exist_ok=True)
        lock = (locks / hashlib.sha256(name.encode()).hexdigest()[:32]).open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

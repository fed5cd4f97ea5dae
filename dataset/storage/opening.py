"""Storage by path or URL."""

import re
from pathlib import Path
from urllib.parse import unquote

from dataset.errors import InputError
from dataset.storage.folder import FolderStore
from dataset.storage.store import Store

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<slashes>/+)(?P<rest>.*)")
"""One slash counts as two: a `Path` makes one of them."""


def open_store(where: str | Path, patience: float = 600.0) -> Store:
    """The folder at a path or a `file://` URL, or the bucket at an `s3://` URL.

    Args:
        where: an `s3://bucket/prefix` may have passed through a `Path`.
        patience: seconds for which each operation on a bucket waits out trouble that may pass.

    Raises:
        InputError: there is no such kind of storage, or the bucket cannot be used.
        StorageError: the bucket's server did not answer all that time.
    """
    match = _URL.fullmatch(str(where))
    if match is None:
        return FolderStore(Path(where))
    scheme, rest = match["scheme"].lower(), match["rest"]
    if scheme == "s3":
        return _bucket(f"s3://{rest}", patience)
    if scheme == "file" and len(match["slashes"]) != 2:
        return FolderStore(Path("/", unquote(rest)))
    kind = "names a machine" if scheme == "file" else f"'{scheme}' is no kind of storage that is known"
    raise InputError(f"{scheme}://…: {kind}; give a path, file:///path or s3://bucket/prefix")


def _bucket(url: str, patience: float) -> Store:
    try:
        from dataset.storage.bucket import BucketStore
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "obstore":
            raise
        raise InputError(f"{url}: buckets need a library; pip install 'render-ih[s3]'") from error
    return BucketStore(url, patience)

"""Where a dataset lies, told by URL: a folder, or a bucket of an S3-compatible server. Both keep the same promises.

- A name has a whole content or none: readers never see half a file.
- `create` and `replace` succeed for one of several writers at a time, whichever machines they are on.
- Trouble that may pass (full disk, no answer) is waited out for a while, then a `StorageError`; what a user must mend (no
  such bucket, no permission, expired credentials) is an `InputError` at once. Either way what was there stays.
"""

from io import IOBase
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable


class Stored(NamedTuple):
    """A small file as it was read."""

    content: bytes
    tag: str
    """Changes with every write."""


@runtime_checkable
class Store(Protocol):
    """A dataset's files by name: relative paths with slashes, as `images/train-00000.parquet`.

    Small files are read and written as bytes. Large ones pass through `folder`: the dataset itself when it is a folder, a
    copy of what this machine has used when it is a bucket.
    """

    url: str
    """As the user gave it."""
    folder: Path

    def read(self, name: str) -> Stored | None:
        """A small file; None where there is none."""

    def create(self, name: str, content: bytes) -> str | None:
        """Write a file that is not there; its tag, or None when there is one, which stays."""

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Write a file whose tag is still `tag`; the new tag, or None when it is another by now, or gone."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whatever is there."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def clear(self, prefix: str) -> None:
        """Remove all files whose names begin with a prefix: a folder's name with a slash at the end."""

    def names(self, prefix: str) -> list[str]:
        """Names that begin with a prefix, in order: `prefix` is a folder's name with a slash at the end."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def publish(self, name: str) -> None:
        """Bring `folder / name`, a whole file, to storage under the same name, in the place of what is there."""

    def fetch(self, name: str, size: int | None = None) -> Path:
        """Bring a file from storage to `folder / name`, unless one of that size lies there already; its path.

        Raises:
            InputError: there is no such file; in a folder that shows when it is opened.
        """

    def open(self, name: str) -> IOBase:
        """A file to be read in pieces: of one in a bucket only those pieces are fetched.

        Raises:
            InputError: there is no such file.
        """

    def move(self, source: str, target: str) -> bool:
        """Give a file another name, in the place of what is there; False when there is no `source`."""

"""A file of a bucket, read piece by piece as if it were open: who wants a few columns of a shard fetches no picture."""

import io
from collections.abc import Callable


class RangedFile(io.RawIOBase):
    """Reads what is asked for, nothing ahead: Parquet readers join the pieces that they want themselves."""

    def __init__(self, size: int, read_range: Callable[[int, int], bytes]) -> None:
        """A file of `size` bytes; `read_range(first, last)` gives its bytes from `first` up to, not including, `last`."""
        self._size, self._read_range, self._place = size, read_range, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the beginning, from here or from the end."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        """The next bytes, fewer at the end."""
        last = self._size if size is None or size < 0 else min(self._place + size, self._size)
        if last <= self._place:
            return b""
        content = self._read_range(self._place, last)
        self._place += len(content)
        return content

    def readall(self) -> bytes:
        """All bytes that are left."""
        return self.read()

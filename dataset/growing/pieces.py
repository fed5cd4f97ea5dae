"""Files of a new dataset: which rows of which files they hold, and how they come about."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from dataset.atomic import atomic_file, explained
from dataset.errors import InputError
from dataset.growing.names import renamed
from dataset.schema import TABLES
from dataset.shards import ROWS_PER_GROUP, Shard, file_sha256, open_shard, write_table
from dataset.shuffling import in_pieces

_BLOCK = 1 << 20
"""Bytes copied at a time."""


@dataclass(frozen=True)
class Slice:
    """Rows of one file."""

    path: Path
    shard: Shard
    rows: int
    """How many."""
    numbers: Callable[[], Sequence[int]] | None = None
    """Gives their numbers in the file, ascending; None: all rows."""

    def tables(self) -> Iterator[pa.Table]:
        """The rows, row group by row group; what is copied from a damaged file would look whole.

        Raises:
            InputError: the file is not the one that its manifest lists.
        """
        if file_sha256(self.path) != self.shard.sha256:
            raise _damaged(self.path)
        with open_shard(self.path) as file:
            numbers, first = range(self.shard.rows) if self.numbers is None else self.numbers(), 0
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                inside = [number - first for number in numbers if first <= number < first + count]
                first += count
                if inside:
                    table = file.read_row_group(group)
                    yield table if len(inside) == count else table.take(inside)


@dataclass(frozen=True)
class Piece:
    """One file of the new dataset."""

    table: str
    name: str
    slices: tuple[Slice, ...]
    prefix: str = ""
    """Before every sample and pose id."""

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(rows.rows for rows in self.slices)

    def write(self, path: Path) -> Shard:
        """Make the file; one whole file with its names kept is linked, or copied where the disk cannot link.

        Raises:
            InputError: the disk is full, or a file is not the one that its manifest lists.
        """
        first = self.slices[0]
        if len(self.slices) == 1 and first.numbers is None and not self.prefix:
            return _linked(first, path)
        tables = (table for rows in self.slices for table in rows.tables())
        if self.prefix:
            tables = (renamed(table, self.prefix) for table in tables)
        batches = (batch for table in tables for batch in table.to_batches())
        return write_table(path, in_pieces(batches, ROWS_PER_GROUP), TABLES[self.table])


def _linked(source: Slice, path: Path) -> Shard:
    """Two names for one file: it takes no room, and losing one name keeps the other."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.unlink()
    try:
        os.link(source.path.resolve(), path)
    except OSError:
        _copy(source, path)
    return replace(source.shard, name=path.stem)


def _copy(source: Slice, path: Path) -> None:
    digest = hashlib.sha256()
    with source.path.open("rb") as file, atomic_file(path) as copied:
        while block := file.read(_BLOCK):
            digest.update(block)
            copied.write(block)
        if digest.hexdigest() != source.shard.sha256:
            raise _damaged(source.path)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: is not the file that its manifest lists; restore it from a copy")

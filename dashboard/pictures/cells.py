"""Single rows of a running or finished dataset, read in pieces from wherever it lies."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.rows.spot import Spot
from dashboard.watching.run import WatchedRun
from dataset.errors import InputError
from dataset.manifest import file_name
from dataset.schema import TABLES
from dataset.shards import Shard

MOST_BYTES = 32 * 1024 * 1024
"""Of the columns that are kept: pictures that are shown together mostly lie in one piece of a file."""
_KEPT_FILES = 256
PICTURES = ("image", "mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth", "normals")
"""Columns of `images` that hold encoded pictures."""
PLAIN = tuple(name for name in TABLES["images"].names if name not in PICTURES)
"""All others."""


class Cells:
    """Reads rows of `images`, and keeps the pieces of files that it has read last."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._columns: OrderedDict[tuple[str, str, int, str], pa.ChunkedArray] = OrderedDict()
        self._firsts: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self._lock = threading.Lock()

    def row(self, run: WatchedRun, spot: Spot, columns: Sequence[str]) -> dict[str, Any]:
        """Some columns of a row; `sample_id` is always among them.

        Raises:
            InputError: the file has been replaced, is missing or is damaged.
        """
        shard, wanted = listed(run, spot), ("sample_id", *columns)
        firsts = self._firsts.get((run.name, shard.sha256)) or []
        group = _group(firsts, spot.number)
        found = {name: self._kept((run.name, shard.sha256, group, name)) for name in wanted}
        missing = [name for name, column in found.items() if column is None]
        if missing:
            with _opened(run, shard) as parquet:
                firsts = self._learn(run, shard, parquet)
                group = _group(firsts, spot.number)
                if group < 0:
                    raise InputError(f"{_file(shard)}: has no row {spot.number}; the index follows in a moment")
                read = parquet.read_row_group(group, columns=missing)
            for name in missing:
                found[name] = read.column(name)
                self._keep((run.name, shard.sha256, group, name), found[name])
        place = spot.number - firsts[group]
        row = {name: column[place].as_py() for name, column in found.items() if place < len(column)}
        if row.get("sample_id") != spot.sample_id:
            raise InputError(f"{_file(shard)}: holds other rows by now; the index follows in a moment")
        return row

    def _learn(self, run: WatchedRun, shard: Shard, parquet: pq.ParquetFile) -> list[int]:
        """First row of each piece of a file, and the number of all rows."""
        counts = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        firsts = list(accumulate(counts, initial=0))
        with self._lock:
            self._firsts[run.name, shard.sha256] = firsts
            while len(self._firsts) > _KEPT_FILES:
                self._firsts.popitem(last=False)
        return firsts

    def _kept(self, key: tuple[str, str, int, str]) -> pa.ChunkedArray | None:
        with self._lock:
            if key in self._columns:
                self._columns.move_to_end(key)
            return self._columns.get(key)

    def _keep(self, key: tuple[str, str, int, str], column: pa.ChunkedArray) -> None:
        with self._lock:
            if column.nbytes > self._most or key in self._columns:
                return
            self._columns[key] = column
            self._bytes += column.nbytes
            while self._bytes > self._most:
                self._bytes -= self._columns.popitem(last=False)[1].nbytes


def listed(run: WatchedRun, spot: Spot) -> Shard:
    """What the manifest says of the file that holds a row.

    Raises:
        InputError: it lists that file no more.
    """
    manifest = run.state.manifest
    shard = manifest.shards["images"].get(spot.shard) if manifest else None
    if shard is None:
        raise InputError(f"{file_name('images', spot.shard)}: is no part of the dataset any more")
    return shard


def _group(firsts: Sequence[int], number: int) -> int:
    """Which piece holds a row; −1 when none is known to."""
    return next((group for group, end in enumerate(firsts[1:]) if 0 <= number < end), -1)


def _file(shard: Shard) -> str:
    return file_name("images", shard.name)


@contextmanager
def _opened(run: WatchedRun, shard: Shard) -> Iterator[pq.ParquetFile]:
    """The file, if it is still the one that the manifest lists."""
    file = _file(shard)
    try:
        if run.store.size(file) != shard.bytes:
            raise InputError(f"{file}: is missing or was replaced since it was listed; `render-ih verify` tells which")
        with run.store.open(file) as opened, pq.ParquetFile(opened) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split())[:200]
        raise InputError(f"{file}: cannot be read ({why}); restore the file from a copy") from error

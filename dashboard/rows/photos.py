"""A few pictures of each image shard, looked at while nothing else waits: how light they are, and whether they show anything.

The table `photos` lies beside the rows' own tables: a row a picture, with its figures (`dashboard.rows.light.Photo`).
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.rows.index import RowIndex
from dashboard.rows.light import Photo, measure
from dataset.errors import InputError
from dataset.manifest import Manifest, file_name
from dataset.shards import Shard
from dataset.storage.store import Store

EACH = 4
"""Pictures of a shard that are looked at."""
_TURN = 0.25
"""Seconds of looking before other datasets have their turn; one shard at least."""
_AGAIN = 60.0
"""Seconds until a shard that could not be read is tried once more."""
_KINDS = {"black": "BOOLEAN"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Look:
    """What a shard's pictures were."""

    checksum: str
    seen: int = 0
    empty: int = 0
    broken: int = 0


class Photos:
    """Of one dataset. One thread calls `look`; any thread reads."""

    def __init__(self, index: RowIndex) -> None:
        """Makes the table.

        Args:
            index: of the same dataset; shards are looked at once it has their rows.
        """
        self._index, self._known, self._looks = index, -1, dict[str, _Look]()
        self._arrived: Mapping[str, int] = {}
        self._later: dict[str, float] = {}
        self.version = 0
        """Goes up with every change."""
        self.waiting = 0
        """Shards that are still to be looked at."""
        figures = ", ".join(f"{name} {_KINDS.get(name, 'FLOAT')}" for name in Photo._fields)
        index.write(
            f"CREATE TABLE photos (sample_id VARCHAR, shard VARCHAR, number INTEGER, arrived INTEGER, {figures})"
        )

    @property
    def seen(self) -> int:
        """Pictures whose figures are known."""
        return sum(look.seen for look in list(self._looks.values()))

    @property
    def empty(self) -> int:
        """Rows that were looked at and have no picture in them."""
        return sum(look.empty for look in list(self._looks.values()))

    @property
    def broken(self) -> int:
        """Pictures that cannot be decoded."""
        return sum(look.broken for look in list(self._looks.values()))

    def look(self, manifest: Manifest, store: Store, seconds: float = _TURN) -> bool:
        """Look at shards that are new, for a while; forget those that are gone. Whether anything has changed.

        Nothing happens while rows wait to be taken over. The index's version goes up when all shards have been looked at.
        """
        if self._index.waiting:
            return False
        self._find_arrived()
        listed = manifest.shards["images"]
        changed = self._forget(listed)
        now, until = time.monotonic(), time.monotonic() + seconds
        new = [name for name in listed if name not in self._looks and name in self._arrived]
        for name in sorted(new, key=_mixed):
            if self._later.get(name, 0.0) <= now:
                changed = self._look_at(listed[name], store) or changed
            if time.monotonic() > until:
                break
        self.waiting = sum(name not in self._looks for name in new)
        self.version += changed
        if changed and all(name in self._looks or name in self._later for name in new):
            self._index.version += 1
            self._known = self._index.version
        return changed

    def _find_arrived(self) -> None:
        if self._known != self._index.version:
            self._known = self._index.version
            self._arrived = dict(self._index.ask("SELECT shard, any_value(arrived) FROM samples GROUP BY shard"))

    def _forget(self, listed: Mapping[str, Shard]) -> bool:
        gone = [n for n, look in self._looks.items() if n not in listed or listed[n].sha256 != look.checksum]
        for name in gone:
            self._index.write("DELETE FROM photos WHERE shard = ?", [name])
            del self._looks[name]
        return bool(gone)

    def _look_at(self, shard: Shard, store: Store) -> bool:
        try:
            first, rows = _some_rows(store, shard)
        except (InputError, OSError, pa.ArrowException, KeyError) as error:
            _log.info("pictures of %s cannot be looked at: %s", shard.name, error)
            self._later[shard.name] = time.monotonic() + _AGAIN
            return False
        look, lines = _Look(shard.sha256), []
        for number, row in zip(first, rows.to_pylist(), strict=True):
            picture, mask = row["image"], row["mask_hands"]
            if not (picture and picture["bytes"]):
                look = _counted(look, empty=1)
                continue
            try:
                photo = measure(picture["bytes"], mask["bytes"] if mask else None)
            except ValueError:
                look = _counted(look, broken=1)
                continue
            lines.append((row["sample_id"], shard.name, number, self._arrived[shard.name], *photo))
            look = _counted(look, seen=1)
        self._insert(lines)
        self._looks[shard.name] = look
        self._later.pop(shard.name, None)
        return True

    def _insert(self, lines: list[tuple]) -> None:
        if lines:
            places = ", ".join(f"({', '.join('?' * len(line))})" for line in lines)
            self._index.write(f"INSERT INTO photos VALUES {places}", [value for line in lines for value in line])


def _some_rows(store: Store, shard: Shard) -> tuple[list[int], pa.Table]:
    """Numbers of some rows of a shard, and what is looked at of them; of one group, the smallest, for the least to be read."""
    with store.open(file_name("images", shard.name)) as opened, pq.ParquetFile(opened, pre_buffer=True) as parquet:
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        filled = [group for group, size in enumerate(sizes) if size]
        if not filled:
            return [], pa.table({})
        group = min(filled, key=sizes.__getitem__)
        rows = parquet.read_row_group(group, columns=["sample_id", "image.bytes", "mask_hands.bytes"])
    count = min(EACH, len(rows))
    chosen = [(2 * place + 1) * len(rows) // (2 * count) for place in range(count)]
    return [sum(sizes[:group]) + row for row in chosen], rows.take(chosen)


def _counted(look: _Look, **more: int) -> _Look:
    return _Look(look.checksum, *(getattr(look, name) + more.get(name, 0) for name in ("seen", "empty", "broken")))


def _mixed(name: str) -> int:
    """An order in which the first shards stand for all."""
    return crc32(name.encode())

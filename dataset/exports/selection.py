"""Which images an export takes, and their rows: shard by shard, row group by row group."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.shards import Row, Shard, file_sha256, open_shard, read_shard

_BATCH = 32
"""Rows that are Python objects at one time; a row with pictures has some hundred kilobytes."""


@dataclass(frozen=True)
class Share:
    """How many images of one split are taken, evenly over all that there are."""

    taken: int
    there: int

    def takes(self, rank: int) -> bool:
        """Whether the image of this rank, from 0 in the order of the shards, is one of them."""
        return (rank + 1) * self.taken // self.there > rank * self.taken // self.there

    def before(self, rank: int) -> int:
        """How many of them come before this rank."""
        return rank * self.taken // self.there


@dataclass(frozen=True)
class Selection:
    """Images of a dataset: all, or some of each split."""

    manifest: Manifest
    counts: Mapping[str, int]
    """Shards that have any of them to how many, in name order."""
    shares: Mapping[str, Share]
    """Split to share; empty when all images are taken."""
    starts: Mapping[str, Mapping[str, int]]
    """Shard to split to the rank of its first image."""

    @classmethod
    def of(cls, manifest: Manifest, samples: int = 0) -> "Selection":
        """All images, or as many as asked for: of each split in proportion, though at least one, spread over its shards.

        Raises:
            InputError: there are no images, the number is negative, or a shard is missing or damaged.
        """
        if samples < 0:
            raise InputError(f"samples is {samples}; give a number of images, or 0 for all")
        rows = {name: shard.rows for name, shard in sorted(manifest.shards["images"].items())}
        if not sum(rows.values()):
            raise InputError(f"{manifest.folder}: has no images yet; run `render-ih run` to the end first")
        if not samples or samples >= sum(rows.values()):
            return cls(manifest, {name: count for name, count in rows.items() if count}, {}, {})
        splits = {name: Counter(_splits(manifest, name)) for name in rows}
        shares = _shares(sum(splits.values(), Counter()), samples)
        return cls(manifest, *_spread(splits, shares))

    def rows(self, shard: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """The images of one shard, reading only the row groups that hold them.

        Raises:
            InputError: the file is not the one that the manifest lists, cannot be read, or lacks a column.
        """
        path = self.manifest.path("images", shard)
        listed = self.manifest.shards["images"][shard]
        with open_shard(path) as file:
            _check_columns(path, file.schema_arrow, columns or ())
            # Some rows do not warrant reading a whole file of a large dataset; its size tells of a cut.
            check_file(path, listed, by_size=bool(self.shares))
            yield from _rows(path, file, self._numbers(shard, listed.rows), columns)

    def _numbers(self, shard: str, rows: int) -> Sequence[int]:
        if not self.shares:
            return range(rows)
        ranks, taken = dict(self.starts[shard]), []
        for number, split in enumerate(_splits(self.manifest, shard)):
            if self.shares[split].takes(ranks[split]):
                taken.append(number)
            ranks[split] += 1
        return taken


def _splits(manifest: Manifest, shard: str) -> list[str]:
    return read_shard(manifest.path("images", shard), ["split"])["split"].to_pylist()


def _shares(there: Mapping[str, int], samples: int) -> dict[str, Share]:
    """One image for each split, the largest first, then the rest in proportion."""
    names = sorted(there, key=lambda name: (-there[name], name))
    taken = {name: int(place < samples) for place, name in enumerate(names)}
    left, others = samples - sum(taken.values()), max(sum(there.values()) - len(names), 1)
    taken = {name: taken[name] + left * (there[name] - 1) // others for name in names}
    while sum(taken.values()) < samples:
        taken[min(names, key=lambda name: taken[name] / there[name])] += 1
    return {name: Share(taken[name], there[name]) for name in names}


def _spread(
    splits: Mapping[str, Mapping[str, int]], shares: Mapping[str, Share]
) -> tuple[dict[str, int], dict[str, Share], dict[str, dict[str, int]]]:
    counts, starts, ranks = {}, {}, Counter()
    for name, found in splits.items():
        starts[name] = {split: ranks[split] for split in found}
        ranks.update(found)
        counts[name] = sum(shares[s].before(ranks[s]) - shares[s].before(first) for s, first in starts[name].items())
    return {name: count for name, count in counts.items() if count}, dict(shares), starts


def _check_columns(path: Path, schema: pa.Schema, columns: Sequence[str]) -> None:
    """Parquet readers pass over unknown columns without a word."""
    for name in columns:
        there: pa.DataType = pa.struct(list(schema))
        for part in name.split("."):
            if not pa.types.is_struct(there) or there.get_field_index(part) < 0:
                raise InputError(f"{path}: has no column {name}, which this export needs; export a newer dataset")
            there = there.field(part).type


def _rows(path: Path, file: pq.ParquetFile, numbers: Sequence[int], columns: Sequence[str] | None) -> Iterator[Row]:
    first = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        inside = [number - first for number in numbers if first <= number < first + count]
        first += count
        try:
            batches = _batches(file, group, inside, columns) if inside else []
            yield from (row for batch in batches for row in batch.to_pylist())
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(path) from error


def _batches(
    file: pq.ParquetFile, group: int, inside: list[int], columns: Sequence[str] | None
) -> list[pa.RecordBatch]:
    table = file.read_row_group(group, columns=None if columns is None else list(columns))
    if len(inside) < len(table):
        table = table.take(inside)
    return table.to_batches(max_chunksize=_BATCH)


def check_file(path: Path, listed: Shard, by_size: bool = False) -> None:
    """Compare a shard's file with what the manifest says of it: size and checksum, or the size alone.

    Raises:
        InputError: it is another one, or missing.
    """
    if not path.is_file() or path.stat().st_size != listed.bytes or not (by_size or file_sha256(path) == listed.sha256):
        raise _damaged(path)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: is not the file that manifest.json lists; restore it from a copy")

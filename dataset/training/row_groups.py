"""The row groups of a dataset that a loader reads, found in the footers of its shards."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Int

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.shards import open_shard
from dataset.training.portion import Portion


class _Kind(NamedTuple):
    """What rows of a group have in common."""

    split: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class RowGroups:
    """The g row groups that hold a wanted row, in the order of the shards."""

    paths: tuple[Path, ...]
    shard: Int[np.ndarray, "g"]
    """Index into `paths`."""
    number: Int[np.ndarray, "g"]
    """Of the group in its shard."""
    rows: Int[np.ndarray, "g"]
    """How many of its rows are wanted."""
    splits: frozenset[str]
    """Those wanted; empty for all."""
    sizes: frozenset[tuple[int, int]]
    """Widths and heights of the wanted images."""
    content: str
    """Checksum of the shards, the splits and the portion."""
    portion: Portion
    """Which part of them these are."""


def find_row_groups(manifest: Manifest, splits: Collection[str] = (), portion: Portion | None = None) -> RowGroups:
    """The groups with images of these splits, or all for none; with a portion, only as many groups as it needs.

    Rows were put in random order before they were written, so some groups are as good a sample as some rows, and what is
    left out is not read.

    Raises:
        InputError: a shard is missing or damaged, or no image is of these splits.
    """
    paths = tuple(manifest.paths("images"))
    every = [(shard, number, kinds) for shard, path in enumerate(paths) for number, kinds in _groups(path)]
    wanted = lambda kinds: Counter({kind: n for kind, n in kinds.items() if not splits or kind.split in splits})  # noqa: E731
    found = [(shard, number, kept) for shard, number, kinds in every if (kept := wanted(kinds))]
    if not found:
        there = sorted({kind.split for *_, kinds in every for kind in kinds})
        which = f"no image of {', '.join(sorted(splits))}" if splits else "no image"
        raise InputError(f"{manifest.folder}: has {which}; the splits it has are: {', '.join(there) or 'none'}")
    portion = portion or Portion()
    rows = np.array([kinds.total() for *_, kinds in found])
    kept, rows = _part([f"{paths[shard].stem}/{number}" for shard, number, _ in found], rows, portion)
    found = [found[group] for group in kept]
    return RowGroups(
        paths,
        np.array([shard for shard, *_ in found]),
        np.array([number for _, number, _ in found]),
        rows,
        frozenset(splits),
        frozenset((kind.width, kind.height) for *_, kinds in found for kind in kinds),
        _checksum(manifest, splits, portion),
        portion,
    )


def _part(
    names: Sequence[str], rows: Int[np.ndarray, "g"], portion: Portion
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """The groups that a portion is taken from, in their stored order, and how many rows of each."""
    if portion.is_whole:
        return np.arange(len(rows)), rows
    order, wanted = portion.order(names), portion.count(int(rows.sum()))
    before = np.cumsum(rows[order]) - rows[order]
    taken = np.clip(wanted - before, 0, rows[order])
    kept = order[taken > 0]
    back = np.argsort(kept)
    return kept[back], taken[taken > 0][back]


def _checksum(manifest: Manifest, splits: Collection[str], portion: Portion) -> str:
    shards = manifest.shards["images"]
    told = [*sorted(splits), *(shards[name].sha256 for name in sorted(shards))]
    told += [] if portion.is_whole else [str(portion)]
    return hashlib.sha256(" ".join(told).encode()).hexdigest()


def _groups(path: Path) -> Iterator[tuple[int, Counter[_Kind]]]:
    with open_shard(path) as file:
        first = file.metadata.row_group(0) if file.num_row_groups else None
        leaves = {first.column(n).path_in_schema: n for n in range(first.num_columns)} if first else {}
        for number in range(file.num_row_groups):
            yield number, _kinds(file, number, [leaves[name] for name in _Kind._fields])


def _kinds(file: pq.ParquetFile, number: int, leaves: list[int]) -> Counter[_Kind]:
    """From the footer's statistics where all rows are alike, as they are in a shard of one split and size."""
    group = file.metadata.row_group(number)
    ranges = [_range(group.column(leaf).statistics) for leaf in leaves]
    if all(low == high and low is not None for low, high in ranges):
        return Counter({_Kind(*(low for low, _ in ranges)): group.num_rows})
    columns = file.read_row_group(number, columns=list(_Kind._fields), use_threads=False).to_pydict()
    return Counter(_Kind(*values) for values in zip(*(columns[name] for name in _Kind._fields), strict=True))


def _range(statistics: pq.Statistics | None) -> tuple[Any, Any]:
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else (None, None)

"""Some images of a dataset as a dataset of their own, with their plan and their poses."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from dataset.errors import InputError
from dataset.growing.choice import Choice, choose
from dataset.growing.inputs import Input, queried, refuse_inside
from dataset.growing.names import ShardNames, splits_of_shards
from dataset.growing.pieces import Piece, Slice
from dataset.growing.staging import new_dataset
from dataset.manifest import Manifest
from dataset.shards import ROWS_PER_GROUP

FILE_BYTES = 384_000_000
"""Of a file of `images` that is written anew: the middle of what Parquet readers like, 256–512 MB."""
_MANY_ROWS = 2_000
"""Of a file of any table, unless the dataset's own files have more: the description of a file grows with its row groups."""
_TABLES = ("poses", "plan", "images")
"""What was refused stays with the whole dataset: its shares mean nothing for a part."""


def subset(
    dataset: Path,
    where: str,
    out: Path,
    advance: Callable[[int], None] = lambda count: None,
    limit: int | None = None,
) -> Manifest:
    """Make a new dataset of the images that meet a condition; stopped, the same call goes on.

    Rows keep their order and their names. A file that is taken whole is linked where the disk allows it.

    Args:
        dataset: a finished dataset; it is not changed.
        where: SQL on the columns of `images` without the pictures, e.g. "split = 'test' AND right.visible_fraction > 0.5".
        out: a missing or empty folder, or one where the same subset was stopped.
        advance: called with the number of the dataset's images that are behind it; they add up to all of them.
        limit: of how many images at most, spread evenly over all that meet the condition; None: all.

    Raises:
        InputError: the condition is none, no image meets it, the folder holds something else, or the disk is full.
    """
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} images leaves none; give 1 or more")
    out, source = Path(out), Input.read(dataset)
    refuse_inside(out, [source])
    origin = {"operation": "subset", "of": [source.entry()], "where": where}
    origin |= {} if limit is None else {"limit": limit}
    with choose(source, where, limit) as choice, new_dataset(out, origin) as staging:
        if isinstance(staging, Manifest):
            return staging
        runs = {checksum: source.manifest.runs[checksum] for checksum in choice.runs()}
        with queried([source]):
            staging.build(_pieces(choice), _Share(choice, advance).finished)
            return staging.publish(runs, origin, {})


class _Share:
    """Says of finished files what share of the whole dataset is behind them."""

    def __init__(self, choice: Choice, advance: Callable[[int], None]) -> None:
        self._all, self._chosen = choice.manifest.rows("images"), sum(choice.counts("images").values())
        self._advance, self._done, self._said = advance, 0, 0

    def finished(self, piece: Piece) -> None:
        if piece.table == "images":
            self._done += piece.rows
            behind = self._done * self._all // self._chosen
            self._advance(behind - self._said)
            self._said = behind


def _pieces(choice: Choice) -> Iterator[Piece]:
    size = _rows_of_a_file(choice.manifest)
    for table in _TABLES:
        names, splits = ShardNames(), splits_of_shards(choice.manifest, table)
        counts = choice.counts(table)
        for split in sorted({splits[name] for name in counts}):
            wanted = {name: count for name, count in counts.items() if splits[name] == split}
            for slices in _cut(choice, table, wanted, size):
                yield Piece(table, names.new(split), slices)


def _rows_of_a_file(manifest: Manifest) -> int:
    """Whole row groups, at least one; small pictures do not make files of very many rows."""
    shards = manifest.shards["images"].values()
    by_size = FILE_BYTES * manifest.rows("images") // sum(shard.bytes for shard in shards)
    most = max(_MANY_ROWS, *(shard.rows for shard in shards))
    return max(1, min(by_size, most) // ROWS_PER_GROUP) * ROWS_PER_GROUP


def _cut(choice: Choice, table: str, wanted: Mapping[str, int], size: int) -> Iterator[tuple[Slice, ...]]:
    """Rows of one split in files of `size`; a file that is taken whole stays one when it is its turn."""
    waiting: list[Slice] = []
    room = size
    for name, count in wanted.items():
        path, shard = choice.manifest.path(table, name), choice.manifest.shards[table][name]
        if count == shard.rows and not waiting:
            yield (Slice(path, shard, count),)
            continue
        first = 0
        while first < count:
            last = min(count, first + room)
            waiting.append(Slice(path, shard, last - first, partial(_numbers, choice, table, name, first, last)))
            room -= last - first
            first = last
            if not room:
                yield tuple(waiting)
                waiting, room = [], size
    if waiting:
        yield tuple(waiting)


def _numbers(choice: Choice, table: str, shard: str, first: int, last: int) -> list[int]:
    return choice.numbers(table, shard)[first:last]

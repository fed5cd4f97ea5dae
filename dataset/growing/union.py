"""Datasets put together: into a new one, or one into another that is there."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset.errors import InputError
from dataset.growing.inputs import Input, all_runs, queried, refuse_inside, refuse_other_hands
from dataset.growing.names import ShardNames, choose_prefixes, splits_of_shards
from dataset.growing.overlap import refuse_common_images, refuse_leaks
from dataset.growing.pieces import Piece, Slice
from dataset.growing.staging import addition, locked, new_dataset
from dataset.manifest import Manifest
from dataset.schema import TABLES


def merge(datasets: Sequence[Path], out: Path, advance: Callable[[int], None] = lambda count: None) -> Manifest:
    """Make a new dataset of all rows of others; stopped, the same call goes on.

    Files are linked where the disk allows it. Where two datasets give the same name to different samples or poses, those of the
    later one get a prefix.

    Args:
        datasets: finished datasets of the same hands, in the order in which names are kept.
        out: a missing or empty folder, or one where the same merge was stopped.
        advance: called with the number of rows just finished, of all tables.

    Raises:
        InputError: they do not go together, the folder holds something else, or the disk is full; nothing of them is changed.
    """
    out, inputs = Path(out), [Input.read(folder) for folder in datasets]
    if len(inputs) < 2:
        raise InputError("a merge takes two datasets or more; name another one")
    refuse_inside(out, inputs)
    prefixes = _prefixes(inputs)
    origin = {"operation": "merge", "of": _entries(inputs, prefixes)}
    with new_dataset(out, origin) as staging:
        if isinstance(staging, Manifest):
            return staging
        with queried(inputs):
            staging.build(_whole_files(inputs, prefixes, {}), lambda piece: advance(piece.rows))
            return staging.publish(all_runs(inputs), origin, {})


def append(dataset: Path, other: Path, advance: Callable[[int], None] = lambda count: None) -> Manifest:
    """Add all rows of another dataset to a finished one; until the end it is what it was, and stopped, the same call goes on.

    Args:
        dataset: what grows; its own files and names stay.
        other: a finished dataset of the same hands; it is not changed.
        advance: called with the number of rows just finished, of all tables of the other dataset.

    Raises:
        InputError: they do not go together, or the disk is full; the dataset is what it was.
    """
    Input.read(dataset)  # what is no dataset does not even get a lock
    with locked(Path(dataset)):
        there, new = inputs = Input.read(dataset), Input.read(other)
        prefixes = _prefixes(inputs)
        before = there.manifest.shards
        origin = _grown(there, _entries(inputs, prefixes))
        staging = addition(there.manifest, origin)
        with queried(inputs):
            staging.build(_whole_files([new], prefixes[1:], before), lambda piece: advance(piece.rows))
            return staging.publish(all_runs(inputs), origin, before)


def _prefixes(inputs: Sequence[Input]) -> list[str]:
    """What goes before the names of each dataset, once it is sure that they go together."""
    refuse_other_hands(inputs)
    refuse_common_images(inputs)
    refuse_leaks(inputs)
    return choose_prefixes(inputs)


def _entries(inputs: Sequence[Input], prefixes: Sequence[str]) -> list[dict[str, Any]]:
    return [
        dataset.entry() | ({"renamed": prefix} if prefix else {})
        for dataset, prefix in zip(inputs, prefixes, strict=True)
    ]


def _grown(there: Input, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The origin of a dataset that grows, with earlier ones as a list: one that grows every night would nest too deep."""
    first, *others = entries
    past = dict(there.manifest.origin)
    history = [*past.pop("history", []), past]
    own = {key: value for key, value in first.items() if key != "origin"}
    return {"operation": "append", "of": [own, *others], "history": history}


def _whole_files(
    inputs: Sequence[Input], prefixes: Sequence[str], taken: Mapping[str, Collection[str]]
) -> Iterator[Piece]:
    """Every file of the datasets under a name that is free."""
    for table in TABLES:
        names = ShardNames(taken.get(table, ()))
        for dataset, prefix in zip(inputs, prefixes, strict=True):
            for name, split in splits_of_shards(dataset.manifest, table).items():
                path, shard = dataset.manifest.path(table, name), dataset.manifest.shards[table][name]
                yield Piece(table, names.new(split), (Slice(path, shard, shard.rows),), prefix)

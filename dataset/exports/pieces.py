"""Files of a chosen size from shards of any size.

Each shard leaves pieces, one split a piece and none above a limit; in the end neighbours of one split are joined to files.
What is joined to what is decided once and kept, so that the joining can be stopped and repeated.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from dataset.atomic import atomic_file, atomic_write
from dataset.exports.job import PARTS
from dataset.shards import Row

_PLAN = "plan.json"


Write = Callable[[Row], None]
Opener = Callable[[BinaryIO], AbstractContextManager[Write]]
"""Given an open file, a context with what writes a row into it; its good end writes what is still held back."""


@dataclass(frozen=True)
class Limit:
    """Size that a file should not exceed by more than one row, or one group of rows."""

    rows: int
    bytes: int

    def is_reached(self, rows: int, size: int) -> bool:
        """Whether a file of that size is full."""
        return rows >= self.rows or size >= self.bytes

    def fits(self, rows: int, size: int) -> bool:
        """Whether a file may have that size."""
        return rows <= self.rows and size <= self.bytes


@dataclass(frozen=True)
class Piece:
    """A finished part of a file."""

    file: str
    split: str
    rows: int
    bytes: int


class _OpenPiece:
    def __init__(self, path: Path, split: str, opener: Opener) -> None:
        self.path, self.split, self.rows = path, split, 0
        self.stack = ExitStack()
        self.file = self.stack.enter_context(atomic_file(path))
        self.write = self.stack.enter_context(opener(self.file))

    def finish(self) -> Piece:
        self.stack.close()
        return Piece(self.path.name, self.split, self.rows, self.path.stat().st_size)


class PieceWriter:
    """Writes the pieces of one shard: a context whose good end puts them on record."""

    def __init__(self, folder: Path, shard: str, suffix: str, limit: Limit, opener: Opener) -> None:
        self._folder, self._shard, self._suffix = folder / PARTS, shard, suffix
        self._limit, self._opener = limit, opener
        self._open: dict[str, _OpenPiece] = {}
        self._finished: list[Piece] = []

    def add(self, row: Row) -> None:
        """Write a row into the piece of its split; a full piece is closed."""
        split = row["split"]
        piece = self._open.get(split) or self._begin(split)
        piece.write(row)
        piece.rows += 1
        if self._limit.is_reached(piece.rows, piece.file.tell()):
            self._finished.append(self._open.pop(split).finish())

    def _begin(self, split: str) -> _OpenPiece:
        number = sum(piece.split == split for piece in self._finished)
        path = self._folder / f"{self._shard}.{split}.{number:03d}{self._suffix}"
        self._open[split] = _OpenPiece(path, split, self._opener)
        return self._open[split]

    def __enter__(self) -> "PieceWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            for piece in self._open.values():
                piece.stack.__exit__(kind, error, trace)
            return
        self._finished += [piece.finish() for piece in self._open.values()]
        content = json.dumps([asdict(piece) for piece in self._finished])
        atomic_write(self._folder / f"{self._shard}.json", content)


def join_pieces(
    folder: Path,
    shards: Sequence[str],
    limit: Limit,
    name: Callable[[str, int, int], str],
    merge: Callable[[Sequence[Path], Path], None],
) -> dict[str, list[str]]:
    """Join the pieces of some shards; those of a joined file are removed at once, so the disk holds few things twice.

    Args:
        folder: target of the export.
        shards: names of the shards, in order.
        limit: size of a file.
        name: gives a file's name in the target from its split, its number and the split's number of files.
        merge: writes the content of some pieces to a file, in one step.

    Returns:
        Split to the names of its files.
    """
    parts = folder / PARTS
    if not (parts / _PLAN).exists():
        atomic_write(parts / _PLAN, json.dumps(_plan(parts, shards, limit, name)))
    plan = json.loads((parts / _PLAN).read_text())
    for files in plan.values():
        for file, pieces in files.items():
            if not (folder / file).exists():
                merge([parts / piece for piece in pieces], folder / file)
            for piece in pieces:
                (parts / piece).unlink(missing_ok=True)
    return {split: list(files) for split, files in plan.items()}


def _plan(
    parts: Path, shards: Sequence[str], limit: Limit, name: Callable[[str, int, int], str]
) -> dict[str, dict[str, list[str]]]:
    """Split to file to its pieces."""
    pieces = defaultdict(list)
    for shard in shards:
        for stored in json.loads((parts / f"{shard}.json").read_text()):
            pieces[stored["split"]].append(Piece(**stored))
    return {split: _named(split, list(_groups(pieces[split], limit)), name) for split in sorted(pieces)}


def _named(split: str, groups: Sequence[list[Piece]], name: Callable[[str, int, int], str]) -> Mapping[str, list[str]]:
    return {name(split, n, len(groups)): [piece.file for piece in group] for n, group in enumerate(groups)}


def _groups(pieces: Sequence[Piece], limit: Limit) -> Iterator[list[Piece]]:
    """Neighbours, as many as fit."""
    group: list[Piece] = []
    for piece in pieces:
        together = [*group, piece]
        if group and not limit.fits(sum(p.rows for p in together), sum(p.bytes for p in together)):
            yield group
            together = [piece]
        group = together
    yield group

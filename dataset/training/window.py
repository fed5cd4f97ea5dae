"""A window of row groups in memory: numbers as arrays, pictures still encoded."""

import math
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from dataset.columns import column_array, flattened
from dataset.errors import InputError
from dataset.schema import IMAGES
from dataset.shards import open_shard
from dataset.training.batch import HandTargets
from dataset.training.row_groups import RowGroups
from hands.joints import Side

CAMERA = ("K", "R", "t")
HAND = tuple(field.name for field in fields(HandTargets))
_NUMBERS = (
    *("sample_id", "split", "width", "height"),
    *(f"camera.{name}" for name in CAMERA),
    *(f"{side}.{name}" for side in Side for name in HAND),
)
_ROOM = 1.1
"""Of memory taken for pictures, so that a window a little larger than the first fits, too."""


class Window:
    """The wanted rows of some row groups, one group after the other. Filled again and again: its memory stays."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self.numbers: dict[str, np.ndarray] = {}
        """Columns by dotted name, (rows,) or (rows, length)."""
        self._pictures = {name: _EncodedPictures() for name in pictures}

    def encoded(self, picture: str, row: int) -> memoryview:
        """One encoded picture; valid until the window is filled again."""
        return self._pictures[picture][row]

    def fill(self, groups: RowGroups, wanted: Int[np.ndarray, "w"]) -> None:
        """Read these groups (indices into those found) in the place of what it held.

        Raises:
            InputError: a shard is missing or damaged, or a label has another count of numbers than it must have.
        """
        parts = []
        for pictures in self._pictures.values():
            pictures.clear()
        for group in wanted.tolist():
            columns = flattened(_read_group(groups, group, [*_NUMBERS, *(f"{name}.bytes" for name in self._pictures)]))
            for name, pictures in self._pictures.items():
                pictures.extend(columns.pop(f"{name}.bytes"))
            parts.append({name: _values(name, column, groups, group) for name, column in columns.items()})
        self.numbers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _values(name: str, column: pa.ChunkedArray, groups: RowGroups, group: int) -> np.ndarray:
    shape = (len(column), *_row_shape(name))
    try:
        values = column_array(column)
    except ValueError:  # lists of several lengths
        values = None
    if values is None or values.shape != shape:
        path = groups.paths[groups.shard[group]]
        raise InputError(f"{path}: {name} must have {math.prod(shape[1:])} numbers in each row; see `render-ih verify`")
    return values


def _row_shape(name: str) -> tuple[int, ...]:
    """What the schema says of a row of a column: () for single values."""
    first, *parts = name.split(".")
    kind = IMAGES.field(first).type
    for part in parts:
        kind = kind.field(part).type
    return (kind.list_size,) if pa.types.is_fixed_size_list(kind) else ()


class _EncodedPictures:
    """Encoded pictures one after the other. Arrow's own memory goes back to the kernel after each group, which costs more
    than this copy: page faults took a tenth of the time of decoding.
    """

    def __init__(self) -> None:
        self._bytes, self._ends = np.empty(0, np.uint8), [0]

    def __getitem__(self, number: int) -> memoryview:
        return memoryview(self._bytes)[self._ends[number] : self._ends[number + 1]]

    def clear(self) -> None:
        self._ends = [0]

    def extend(self, column: pa.ChunkedArray) -> None:
        for chunk in column.chunks:
            ends = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            start, end = self._ends[-1], self._ends[-1] + int(ends[-1] - ends[0])
            self._reserve(end)
            self._bytes[start:end] = np.frombuffer(chunk.buffers()[2], np.uint8)[ends[0] : ends[-1]]
            self._ends += (ends[1:] - ends[0] + start).tolist()

    def _reserve(self, size: int) -> None:
        if size > len(self._bytes):
            larger = np.empty(int(size * _ROOM), np.uint8)
            larger[: self._ends[-1]] = self._bytes[: self._ends[-1]]
            self._bytes = larger


def _read_group(groups: RowGroups, group: int, leaves: list[str]) -> pa.Table:
    """In one thread: the processes beside this one are the parallel ones."""
    with open_shard(groups.paths[groups.shard[group]]) as file:
        table = file.read_row_group(int(groups.number[group]), columns=leaves, use_threads=False)
    wanted = int(groups.rows[group])
    if len(table) != wanted and groups.splits:
        table = table.filter(pc.is_in(table["split"], pa.array(sorted(groups.splits))))
    if len(table) != wanted:
        table = table.take(groups.portion.chosen(table["sample_id"].to_pylist(), wanted))
    return table

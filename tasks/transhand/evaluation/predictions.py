"""Predictions of any method as a file: Parquet with one row an image (docs/evaluation.md describes it).

The rows are copied once to a temporary file in which each is found at its place, so that the file may be of any order and size.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from jaxtyping import Float32
from torch import Tensor

from dataset.atomic import explained
from dataset.columns import flattened
from dataset.errors import InputError
from dataset.shards import file_sha256
from dataset.training.batch import ImageBatch
from hands.joints import JOINTS_21, Side
from models.two_hand_metrics.measuring import HandPoints, TwoHands
from tasks.transhand.evaluation.methods import Answer
from tasks.transhand.evaluation.truth import Bodies

ID = "sample_id"
_ROWS = 256
"""In memory at once."""


class _Column(NamedTuple):
    name: str
    length: int
    """Numbers in a row."""


class Predictions:
    """A method whose answers are there already."""

    def __init__(
        self,
        path: Path,
        columns: list[_Column],
        places: Mapping[str, int],
        numbers: Float32[np.ndarray, "n c"],
        bodies: Bodies,
    ) -> None:
        self.about = {"method": "predictions", "name": path.name, "sha256": file_sha256(path)}
        self._columns, self._places, self._numbers, self._bodies = columns, places, numbers, bodies

    def __len__(self) -> int:
        return len(self._places)

    def __call__(self, batch: ImageBatch) -> Answer:
        """Those that the file has."""
        rows = [row for row, name in enumerate(batch.sample_ids) if name in self._places]
        places = [self._places[batch.sample_ids[row]] for row in rows]
        found = torch.from_numpy(self._numbers[places]).to(batch.K.device)
        parts = found.split([column.length for column in self._columns], dim=1)
        named = {c.name: part.unflatten(1, (-1, 3)) for c, part in zip(self._columns, parts, strict=True)}
        return Answer(rows, TwoHands(**{side.value: self._points(side, named) for side in Side}))

    def _points(self, side: Side, named: Mapping[str, Tensor]) -> HandPoints:
        joints, vertices = named.get(f"{side}.joints_3d"), named.get(f"{side}.vertices")
        if joints is None:
            return self._bodies.points(side, vertices)
        return HandPoints(joints, vertices)


@contextmanager
def open_predictions(path: Path, bodies: Bodies) -> Iterator[Predictions]:
    """The predictions of a file, as long as the block runs.

    Raises:
        InputError: it cannot be read, lacks a column, has a row of a wrong length or twice, or there is no room for a copy.
    """
    file = _opened(path)
    columns = _columns(path, file, bodies)
    with TemporaryDirectory(prefix="render-ih-predictions-") as folder:
        copy = Path(folder) / "numbers.f32"
        with explained(copy), copy.open("wb") as target:
            places = _copied(path, file, columns, target)
        shape = len(places), sum(column.length for column in columns)
        yield Predictions(path, columns, places, np.memmap(copy, np.float32, "r", shape=shape), bodies)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: cannot be read; give a method's predictions as a Parquet file") from error
    if not file.metadata.num_rows:
        raise InputError(f"{path}: has no row; give one for each image")
    return file


def _columns(path: Path, file: pq.ParquetFile, bodies: Bodies) -> list[_Column]:
    """Of surfaces or of joints, or of both: the same for both hands."""
    there = set(flattened(file.schema_arrow.empty_table()))
    if ID not in there:
        raise InputError(f"{path}: has no column {ID}; name the image of each row in it")
    vertices = {side: len(bodies.models[side].v_template) for side in Side}
    kinds = {"vertices": vertices, "joints_3d": dict.fromkeys(Side, len(JOINTS_21))}
    found = [
        _Column(f"{side}.{kind}", 3 * counts[side])
        for kind, counts in kinds.items()
        for side in Side
        if f"{side}.{kind}" in there
    ]
    named = {column.name.split(".")[1] for column in found}
    lacking = [f"{side}.{kind}" for kind in named or {"vertices"} for side in Side if f"{side}.{kind}" not in there]
    if lacking:
        raise InputError(
            f"{path}: has no column {' and no '.join(lacking)}; both hands' vertices are needed, or both hands' joints_3d"
        )
    return found


def _copied(path: Path, file: pq.ParquetFile, columns: list[_Column], target: BinaryIO) -> dict[str, int]:
    """Where the numbers of each image are, after they were written."""
    places = {}
    try:
        for batch in file.iter_batches(_ROWS, columns=[ID, *(column.name for column in columns)], use_threads=False):
            part = flattened(pa.Table.from_batches([batch]))
            names = part[ID].to_pylist()
            for name in names:
                if not isinstance(name, str) or name in places:
                    what = f"has two rows for {name}" if isinstance(name, str) else f"has {name!r} as a {ID}"
                    raise InputError(f"{path}: {what}; give one row for each image, named by its {ID}")
                places[name] = len(places)
            numbers = [_numbers(path, names, part[column.name], column) for column in columns]
            target.write(np.ascontiguousarray(np.concatenate(numbers, axis=1)).tobytes())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{path}: is damaged ({error}); write it again") from error
    return places


def _numbers(path: Path, names: list[str], values: pa.ChunkedArray, column: _Column) -> Float32[np.ndarray, "r c"]:
    kind = values.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not (lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))):
        raise InputError(f"{path}: {column.name} is of type {kind}; give one list of {column.length} numbers a row")
    lengths = pc.fill_null(pc.list_value_length(values), -1).to_numpy()
    for name, length in zip(names, lengths.tolist(), strict=True):
        if length != column.length:
            had = "is empty" if length < 0 else f"has {length:,} numbers"
            raise InputError(f"{path}: {column.name} of {name} {had}; for this hand it must have {column.length:,}")
    return pc.list_flatten(values).to_numpy().astype(np.float32).reshape(-1, column.length)

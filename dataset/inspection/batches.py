"""Tables read a few thousand rows at a time, as NumPy columns: what is in memory does not depend on their size."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataset.columns import column_array, flattened
from dataset.errors import InputError
from dataset.inspection.damage import damaged_shard_explained
from dataset.shards import open_shard

ROWS = 4096
Batch = dict[str, np.ndarray]


def batches(paths: Iterable[Path], columns: Sequence[str], rows: int = ROWS) -> Iterator[Batch]:
    """Some columns (dotted names) of many shards in order; each batch is of one shard, vectors are (rows, length).

    Raises:
        InputError: a shard is missing or damaged, or lacks a column.
    """
    for path in paths:
        with open_shard(path) as file, damaged_shard_explained(path):
            _refuse_without(path, file.schema_arrow, columns)
            for batch in file.iter_batches(rows, columns=list(columns)):
                opened = flattened(pa.Table.from_batches([batch]))
                yield {name: column_array(opened[name]) for name in columns}


def _refuse_without(path: Path, schema: pa.Schema, columns: Sequence[str]) -> None:
    present = set(flattened(schema.empty_table()))
    absent = [name for name in columns if name not in present]
    if absent:
        raise InputError(f"{path}: lacks the column {absent[0]}; another program wrote it, or it was changed")

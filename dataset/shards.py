"""Parquet shards: written atomically with bytes that depend on the rows alone, and read back whole or row by row."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset.atomic import atomic_file
from dataset.errors import InputError
from dataset.schema import is_optional

ROWS_PER_GROUP = 128
"""A loader mixes a few groups at a time, and a reader takes one picture out of a shard without loading the rest."""

Row = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Shard:
    """What the manifest says of one file."""

    name: str
    """File name without folder and suffix."""
    rows: int
    bytes: int
    sha256: str


def write_shard(path: Path, rows: Sequence[Row], schema: pa.Schema) -> Shard:
    """Write rows as one Parquet file. Same rows, same bytes: no time, path or machine enters the file.

    Raises:
        ValueError: a row lacks a column, has an unknown one, or holds an empty value.
        InputError: the disk is full, or the folder cannot be written; nothing half-written stays.
    """
    return write_table(path, [table_of(rows, schema)], schema)


def write_table(path: Path, parts: Iterable[pa.Table], schema: pa.Schema) -> Shard:
    """Write tables that follow each other as one Parquet file, one part in memory at a time.

    Every part but the last should fill whole groups of `ROWS_PER_GROUP`.

    Raises:
        InputError: the disk is full, or the folder cannot be written; nothing half-written stays.
    """
    rows = 0
    with atomic_file(path) as file:
        with pq.ParquetWriter(file, schema, version="2.6", write_page_index=True, **_layout(schema)) as writer:
            for part in parts:
                writer.write_table(part.cast(schema), row_group_size=ROWS_PER_GROUP)
                rows += len(part)
        file.flush()
        size, checksum = file.tell(), _sha256(file)
    return Shard(path.stem, rows, size, checksum)


@cache
def _layout(schema: pa.Schema) -> dict[str, Any]:
    """Encoded pictures are stored as they are; numbers and texts are compressed, and repeated texts listed once."""
    columns = pq.ParquetFile(pa.BufferReader(_empty_file(schema))).schema
    leaves = [columns.column(number) for number in range(len(columns.names))]
    compression = {leaf.path: "none" if leaf.path.endswith(".bytes") else "zstd" for leaf in leaves}
    texts = [leaf.path for leaf in leaves if leaf.logical_type.type == "STRING"]
    return {"compression": compression, "use_dictionary": texts}


def _empty_file(schema: pa.Schema) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    return sink.getvalue()


def table_of(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table of exactly that schema.

    Raises:
        ValueError: a row lacks a column, has an unknown one, or holds an empty value.
    """
    for number, row in enumerate(rows):
        _check_names(row, tuple(schema), f"row {number}")
    table = pa.Table.from_pylist(list(rows), schema=schema)
    empty = [field.name for field in schema if not is_optional(field) and holds_null(table[field.name])]
    if empty:
        raise ValueError(f"empty values in the columns {', '.join(empty)}")
    return table


def holds_null(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether any value, at any depth, is missing."""
    if column.null_count:
        return True
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if pa.types.is_struct(column.type):
        return any(holds_null(child) for chunk in chunks for child in chunk.flatten())
    if pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type):
        return any(holds_null(chunk.flatten()) for chunk in chunks)
    return False


def _check_names(row: Row, fields: Iterable[pa.Field], where: str) -> None:
    """Arrow fills what is missing and drops what is unknown without a word."""
    names = {field.name for field in fields}
    if names != set(row):
        missing, unknown = sorted(names - set(row)), sorted(set(row) - names)
        raise ValueError(f"{where}: missing columns {missing}, unknown columns {unknown}")
    for field in fields:
        if pa.types.is_struct(field.type) and row[field.name] is not None:
            _check_names(row[field.name], tuple(field.type), f"{where}, {field.name}")


def file_sha256(path: Path) -> str:
    """Checksum of a file's content."""
    with path.open("rb") as file:
        return _sha256(file)


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def open_shard(path: Path) -> pq.ParquetFile:
    """The shard's file.

    Raises:
        InputError: it is missing or not a Parquet file.
    """
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        state = "missing" if isinstance(error, FileNotFoundError) else "damaged"
        raise InputError(
            f"{path}: this shard is {state}; run the generator again, or restore it from a copy"
        ) from error


def read_shard(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole shard, or only some columns (dotted names reach into groups)."""
    with open_shard(path) as file:
        return file.read(columns=None if columns is None else list(columns))


def read_table(paths: Iterable[Path], schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """Some columns of many shards as one table; empty when there is no shard."""
    tables = [read_shard(path, columns) for path in paths]
    roots = {name.split(".")[0] for name in columns}
    return pa.concat_tables(tables) if tables else pa.schema([f for f in schema if f.name in roots]).empty_table()


def iterate_rows(paths: Iterable[Path], columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of many shards in order, a few in memory at a time."""
    for path in paths:
        with open_shard(path) as file:
            for batch in file.iter_batches(ROWS_PER_GROUP, columns=None if columns is None else list(columns)):
                yield from batch.to_pylist()


def rows_with(
    paths: Iterable[Path], column: str, wanted: Collection[str], columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The rows whose text in `column` is one of those wanted, in order, read without keeping the others.

    Raises:
        InputError: a shard is missing or damaged.
    """
    values, rows = pa.array(sorted(wanted), pa.string()), []
    for path in paths:
        with open_shard(path) as file:
            for group in range(file.num_row_groups):
                found = pc.is_in(file.read_row_group(group, columns=[column])[column], values)
                numbers = np.flatnonzero(found.to_numpy())
                if len(numbers):
                    chosen = file.read_row_group(group, columns=None if columns is None else list(columns))
                    rows += chosen.take(pa.array(numbers)).to_pylist()
    return rows


def rows_at(path: Path, numbers: Sequence[int], columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Chosen rows of one shard by their numbers, reading only the row groups that hold them."""
    rows = []
    with open_shard(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            inside = [number - first for number in numbers if first <= number < first + count]
            if inside:
                table = file.read_row_group(group, columns=None if columns is None else list(columns))
                rows += table.take(inside).to_pylist()
            first += count
    return rows

"""Are the files those of the manifest, and do they hold what the schema says? Read row group by row group."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataset.columns import column_array, flattened
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.schema import IDS, TABLES, is_optional
from dataset.shards import Shard, file_sha256, holds_null, open_shard
from dataset.verification.report import Problem


def check_files(manifest: Manifest, advance: Callable[[int], None]) -> Iterator[Problem]:
    """Damaged files, and files that nobody recorded; `advance` counts files."""
    for table, shards in manifest.shards.items():
        for name, shard in shards.items():
            path = manifest.path(table, name)
            if path.is_file() and file_sha256(path) != shard.sha256:
                yield Problem(table, name, "the file's checksum is not the manifest's; it was changed or damaged")
            advance(1)
        listed = {manifest.path(table, name) for name in shards}
        for path in sorted(set((manifest.folder / table).glob("*.parquet")) - listed):
            yield Problem(table, path.stem, "the file is not in the manifest")


def check_shard(manifest: Manifest, table: str, shard: Shard) -> list[Problem]:
    """What keeps the rows of a shard from being looked at: it is lost, cut, or not of the schema."""
    try:
        with open_shard(manifest.path(table, shard.name)) as file:
            return [Problem(table, shard.name, sentence) for sentence in _structure(file, table, shard)]
    except (InputError, pa.ArrowException, OSError) as error:
        return [Problem(table, shard.name, str(error).replace("\n", " "))]


def _structure(file: pq.ParquetFile, table: str, shard: Shard) -> Iterator[str]:
    schema = file.schema_arrow
    if not schema.equals(TABLES[table]):
        yield f"its columns are not the schema's: {_first_difference(schema, TABLES[table])}"
        return
    needed = [field.name for field in TABLES[table] if not is_optional(field)]
    empty: set[str] = set()
    for group in range(file.num_row_groups):
        columns = flattened(file.read_row_group(group, columns=needed))
        empty |= {name for name, column in columns.items() if holds_null(column)}
    if empty:
        yield f"empty values in {', '.join(sorted(empty))}"
    if file.metadata.num_rows != shard.rows:
        yield f"has {file.metadata.num_rows} rows where the manifest says {shard.rows}"


def _first_difference(found: pa.Schema, expected: pa.Schema) -> str:
    for field in expected:
        if field.name not in found.names:
            return f"{field.name} is missing"
        if found.field(field.name) != field:
            return f"{field.name} is {found.field(field.name).type} instead of {field.type}"
    extra = set(found.names) - set(expected.names)
    return f"{', '.join(sorted(extra))} is unknown" if extra else "their order differs"


def check_numbers(manifest: Manifest, table: str, shard: Shard, columns: list[str]) -> Iterator[Problem]:
    """Values that are not finite, and splits that share a file."""
    splits: set[str] = set()
    with open_shard(manifest.path(table, shard.name)) as file:
        for group in range(file.num_row_groups):
            content = flattened(file.read_row_group(group, columns=columns))
            ids = content[IDS[table]]
            splits |= set(content["split"].unique().to_pylist()) if "split" in content else set()
            for name, column in content.items():
                for row in _not_finite(column):
                    yield Problem(table, ids[int(row)].as_py(), f"{name} holds a value that is not a number")
    if table in ("plan", "images") and len(splits) > 1:
        yield Problem(table, shard.name, f"holds rows of {' and '.join(sorted(splits))}; a file is of one split")


def _not_finite(column: pa.ChunkedArray) -> np.ndarray:
    if not (pa.types.is_floating(column.type) or pa.types.is_fixed_size_list(column.type)) or not len(column):
        return np.zeros(0, dtype=int)
    return np.flatnonzero(~np.isfinite(column_array(column)).reshape(len(column), -1).all(1))

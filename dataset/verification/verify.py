"""Is a dataset what its manifest and its schema promise? Checksums, tables, names, and every label."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataset.columns import column_array, flattened
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.schema import IDS, TABLES, is_optional, leaf_columns
from dataset.shards import Shard, file_sha256, holds_null, iterate_rows, open_shard, read_shard, read_table
from dataset.verification.labels import check_labels
from hands.joints import Side
from hands.model import HandModel

_BATCH = 64


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    table: str
    row: str
    """Id of the row, or name of the shard when the whole file is concerned."""
    message: str

    def __str__(self) -> str:
        return f"{self.table} {self.row}: {self.message}"


@dataclass(frozen=True)
class Report:
    """What was looked at and what is wrong."""

    rows: dict[str, int]
    """Table to number of rows that the manifest lists."""
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {table}" for table, count in self.rows.items())
        verdict = "all labels and checksums agree" if self.ok else f"{len(self.problems)} problems"
        return "\n".join([f"{counts}: {verdict}", *map(str, self.problems)])


def verify(dataset_dir: Path, hands: Mapping[Side, HandModel]) -> Report:
    """Check a whole dataset against itself and against the hand model that made it.

    Raises:
        InputError: the directory is not a dataset.
    """
    manifest = Manifest.read(dataset_dir)
    problems = list(_files(manifest))
    readable: dict[str, list[Path]] = {table: [] for table in TABLES}
    for table in TABLES:
        for name, shard in manifest.shards[table].items():
            path = manifest.path(table, name)
            found = list(_structure(path, table, shard))
            problems += found or _not_finite(path, table)
            readable[table] += [] if found else [path]
    problems += _names(readable)
    problems += _provenance(readable["images"], manifest)
    poses = _poses(readable["poses"])
    for path in readable["images"]:
        problems += verify_images(path, hands, poses)
    return Report({table: manifest.rows(table) for table in TABLES}, tuple(problems))


def verify_images(path: Path, hands: Mapping[Side, HandModel], poses: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """The label checks on one shard of `images`; `poses` maps pose ids to rows of `poses`."""
    problems, batch = [], []
    for row in iterate_rows([path]):
        batch.append(row)
        if len(batch) == _BATCH:
            problems += check_labels(batch, hands, poses)
            batch = []
    problems += check_labels(batch, hands, poses) if batch else ()
    return [Problem("images", sample, message) for sample, message in problems]


def _files(manifest: Manifest) -> Iterator[Problem]:
    """Shards whose content is not what was recorded, and files that nobody recorded."""
    for table, shards in manifest.shards.items():
        for name, shard in shards.items():
            path = manifest.path(table, name)
            if path.is_file() and file_sha256(path) != shard.sha256:
                yield Problem(table, name, "the file's checksum is not the manifest's; it was changed or damaged")
        listed = {manifest.path(table, name) for name in shards}
        for path in sorted(set((manifest.folder / table).glob("*.parquet")) - listed):
            yield Problem(table, path.stem, "the file is not in the manifest")


def _structure(path: Path, table: str, shard: Shard) -> Iterator[Problem]:
    """What keeps the rows of a shard from being looked at."""
    try:
        with open_shard(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
        if not schema.equals(TABLES[table]):
            difference = _first_difference(schema, TABLES[table])
            yield Problem(table, shard.name, f"its columns are not the schema's: {difference}")
            return
        needed = [field.name for field in TABLES[table] if not is_optional(field)]
        empty = [name for name, column in flattened(read_shard(path, needed)).items() if holds_null(column)]
    except (InputError, pa.ArrowException, OSError) as error:
        yield Problem(table, shard.name, str(error))
        return
    if rows != shard.rows:
        yield Problem(table, shard.name, f"has {rows} rows where the manifest says {shard.rows}")
    if empty:
        yield Problem(table, shard.name, f"empty values in {', '.join(empty)}")


def _first_difference(found: pa.Schema, expected: pa.Schema) -> str:
    for field in expected:
        if field.name not in found.names:
            return f"{field.name} is missing"
        if found.field(field.name) != field:
            return f"{field.name} is {found.field(field.name).type} instead of {field.type}"
    extra = set(found.names) - set(expected.names)
    return f"{', '.join(sorted(extra))} is unknown" if extra else "their order differs"


def _not_finite(path: Path, table: str) -> Iterator[Problem]:
    content = read_shard(path, leaf_columns(TABLES[table]))
    ids = content[IDS[table]].to_pylist()
    for name, column in flattened(content).items():
        if ids and (pa.types.is_floating(column.type) or pa.types.is_fixed_size_list(column.type)):
            finite = np.isfinite(column_array(column)).reshape(len(ids), -1).all(1)
            for row in np.flatnonzero(~finite):
                yield Problem(table, ids[row], f"{name} holds a value that is not a number")


def _names(readable: Mapping[str, list[Path]]) -> Iterator[Problem]:
    """Ids that occur twice, and images that nobody planned."""
    ids = {
        table: read_table(readable[table], TABLES[table], [IDS[table]])[IDS[table]].to_pylist()
        for table in ("poses", "plan", "images")
    }
    for table, names in ids.items():
        for name, count in Counter(names).items():
            if count > 1:
                yield Problem(table, name, f"{IDS[table]} occurs {count} times")
    for name in sorted(set(ids["images"]) - set(ids["plan"])):
        yield Problem("images", name, "it is not in the plan")


def _provenance(paths: list[Path], manifest: Manifest) -> Iterator[Problem]:
    for row in iterate_rows(paths, ["sample_id", "provenance.config_sha256"]):
        if row["provenance"]["config_sha256"] != manifest.config_sha256:
            yield Problem("images", row["sample_id"], "was made with another configuration than the manifest's")


def _poses(paths: list[Path]) -> dict[str, dict[str, Any]]:
    return {row["pose_id"]: row for row in iterate_rows(paths, ["pose_id", "right", "left"])}

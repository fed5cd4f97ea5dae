"""InterHand2.6M's annotation files from what image shards left of them, a capture in memory at a time."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dataset.atomic import atomic_file
from dataset.exports.captures import Place
from dataset.exports.json_parts import write_object
from dataset.queries import add_table, database
from dataset.shards import Row, iterate_rows

PART = pa.schema(
    [
        *((name, pa.int32()) for name in Place._fields),
        *((name, pa.string()) for name in ("pose_id", "sequence", "image", "annotation", "view")),
    ]
)
"""One row per image: where it stands, and its entries of the files as JSON, still without numbers."""
CAMERA = ("campos", "camrot", "focal", "princpt")
_POSES_AT_ONCE = 256

Json = dict[str, Any]
Entries = Callable[[Sequence[Row]], list[Json]]
"""Makes the entries of some poses, rows of `poses` with their `sequence`."""


def write_part(path: Path, rows: Sequence[Json]) -> None:
    """What a shard leaves of its images, rows of `PART`."""
    with atomic_file(path) as file:
        pq.write_table(pa.Table.from_pylist(list(rows), PART), file)


def write_split(
    folder: Path, split: str, parts: Sequence[Path], poses: Sequence[Path], made: dict[str, Entries]
) -> None:
    """The annotation files of one split.

    Args:
        folder: where they are written.
        split: its published name.
        parts: files of `PART` with the split's images.
        poses: files of the dataset's `poses`.
        made: name of a file with one entry a pose to what makes its entries.
    """
    path = lambda name: folder / f"InterHand2.6M_{split}_{name}.json"  # noqa: E731
    write_object(path("data"), {"images": _images(parts), "annotations": _annotations(parts)})
    with database() as sql:
        add_table(sql, "images", parts)
        add_table(sql, "poses", poses)
        _write_captures(path("camera"), _cameras(sql))
        for name, entries in made.items():
            _write_captures(path(name), _frames(sql, entries))


def write_subjects(path: Path, parts: Sequence[Path]) -> None:
    """Which hand shape each capture shows. No published tool reads the original of this file."""
    with database() as sql, atomic_file(path) as file:
        add_table(sql, "images", parts)
        file.write(b"# capture, subject\n")
        for batch in sql.sql("SELECT DISTINCT capture, subject FROM images ORDER BY 1").to_arrow_reader(1 << 16):
            file.writelines(f"{row['capture']} {row['subject']}\n".encode() for row in batch.to_pylist())


def _images(parts: Sequence[Path]) -> Iterator[Json]:
    for number, row in enumerate(iterate_rows(parts, ["image"]), 1):
        yield {"id": number} | json.loads(row["image"])


def _annotations(parts: Sequence[Path]) -> Iterator[Json]:
    """One for each image, in the same order."""
    for number, row in enumerate(iterate_rows(parts, ["annotation"]), 1):
        yield {"id": number, "image_id": number} | json.loads(row["annotation"])


def _cameras(sql: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, Json]]:
    """Capture to quantity to camera to value."""
    rows = _streamed(sql, "SELECT capture, camera, view FROM images ORDER BY capture, camera")
    for capture, group in groupby(rows, lambda row: row["capture"]):
        views = {str(row["camera"]): json.loads(row["view"]) for row in group}
        yield capture, {name: {camera: view[name] for camera, view in views.items()} for name in CAMERA}


def _frames(sql: duckdb.DuckDBPyConnection, entries: Entries) -> Iterator[tuple[int, Json]]:
    """Capture to frame to the entry of its pose."""
    query = """
        SELECT capture, frame, sequence, poses.* FROM (SELECT DISTINCT capture, frame, sequence, pose_id FROM images)
        JOIN poses USING (pose_id) ORDER BY capture, frame
    """
    for capture, group in groupby(_with_entries(sql, query, entries), lambda found: found[0]["capture"]):
        yield capture, {str(row["frame"]): entry for row, entry in group}


def _with_entries(sql: duckdb.DuckDBPyConnection, query: str, entries: Entries) -> Iterator[tuple[Row, Json]]:
    for batch in sql.sql(query).to_arrow_reader(_POSES_AT_ONCE):
        rows = batch.to_pylist()
        yield from zip(rows, entries(rows), strict=True)


def _streamed(sql: duckdb.DuckDBPyConnection, query: str) -> Iterator[Row]:
    for batch in sql.sql(query).to_arrow_reader(1 << 12):
        yield from batch.to_pylist()


def _write_captures(path: Path, captures: Iterable[tuple[int, Json]]) -> None:
    """A JSON object of captures."""
    with atomic_file(path) as file:
        for number, (capture, value) in enumerate(captures):
            text = json.dumps(value, separators=(",", ":"), allow_nan=False)
            file.write(f'{"," if number else "{"}\n"{capture}":{text}'.encode())
        file.write(b"\n}\n")

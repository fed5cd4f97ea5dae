"""Which samples a page shows, found among any number of rows without reading a picture of the others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.queries import database, readable
from dataset.shards import rows_at

MOST = 8
"""Samples on a page unless another number is asked for: a page stays small enough to send by mail."""
_NEAR = 3

Row = Mapping[str, Any]
Place = Mapping[str, Any]
"""`file` and `number` of a row."""

_PLACE = "{'file': filename, 'number': file_row_number}"
_SPREAD = f"""
    SELECT min_by({_PLACE}, md5(sample_id), $most) FROM images
    GROUP BY provenance.source, provenance.base_pose ORDER BY provenance.source, provenance.base_pose
"""
"""Of each base pose a few in an order that has nothing to do with poses or views, the same every time."""
_VIEWS = f"""
    SELECT {_PLACE} FROM images WHERE pose_id = (SELECT pose_id FROM images WHERE sample_id = $id LIMIT 1)
    ORDER BY sample_id != $id, sample_id LIMIT $most
"""
_NAMES = "SELECT sample_id FROM images ORDER BY levenshtein(sample_id, $id), sample_id LIMIT $most"
_CAMERAS = """
    SELECT sample_id, pose_id, width, height, camera FROM images WHERE pose_id = ANY($poses) ORDER BY sample_id
"""


def choose_samples(manifest: Manifest, sample_id: str | None = None, most: int = MOST) -> list[dict[str, Any]]:
    """Whole rows of `images` for a page: a sample and then other views of its pose, or one of each base pose in turn.

    Raises:
        InputError: no such sample (the message names near ones), no images yet, or a shard is missing or damaged.
    """
    with _images(manifest) as connection:
        if sample_id is None:
            groups = [group for (group,) in connection.execute(_SPREAD, {"most": most}).fetchall()]
            places = _in_turn(groups, most)
        else:
            places = [place for (place,) in connection.execute(_VIEWS, {"id": sample_id, "most": most}).fetchall()]
            if not places:
                raise InputError(_unknown(manifest, connection, sample_id))
    return [_row(Path(place["file"]), place["number"]) for place in places]


def _row(path: Path, number: int) -> dict[str, Any]:
    try:
        return rows_at(path, [number])[0]
    except OSError as error:  # what pyarrow raises for pages that it cannot read
        raise InputError(f"{path}: row {number} cannot be read ({error}); restore the shard from a copy") from error


def views_of_poses(manifest: Manifest, poses: Sequence[str]) -> dict[str, list[Row]]:
    """Every image of some poses by pose id: its `sample_id`, `width`, `height` and `camera`.

    Raises:
        InputError: no images yet, or a shard is missing or damaged.
    """
    views: dict[str, list[Row]] = {pose: [] for pose in poses}
    with _images(manifest) as connection:
        for name, pose, width, height, camera in connection.execute(_CAMERAS, {"poses": list(views)}).fetchall():
            views[pose].append({"sample_id": name, "width": width, "height": height, "camera": camera})
    return views


@contextmanager
def _images(manifest: Manifest) -> Iterator[duckdb.DuckDBPyConnection]:
    """The table `images` with the place of each row."""
    paths = manifest.paths("images")
    if not paths:
        raise InputError(f"{manifest.folder}: holds no images yet; run the generator until a shard is done")
    with readable(manifest.folder), database() as connection:
        table = connection.read_parquet([str(p) for p in paths], filename=True, file_row_number=True)
        table.create_view("images")
        yield connection


def _in_turn(groups: Sequence[Sequence[Place]], most: int) -> list[Place]:
    """Groups spread evenly when there are more than wanted; otherwise one of each, then a second of each, and so on."""
    if len(groups) > most:
        groups = [groups[i * len(groups) // most] for i in range(most)]
    rounds = zip_longest(*groups)
    return [place for in_round in rounds for place in in_round if place][:most]


def _unknown(manifest: Manifest, connection: duckdb.DuckDBPyConnection, sample_id: str) -> str:
    near = connection.execute(_NAMES, {"id": sample_id, "most": _NEAR}).fetchall()
    names = ", ".join(name for (name,) in near)
    return f"{manifest.folder}: has no sample '{sample_id}'; give one that it has, such as {names}"

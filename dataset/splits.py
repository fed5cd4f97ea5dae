"""Splits: no base pose, person (hand shape, skin) or environment is in two of them.

Each asset belongs to one split wherever it is used, so that datasets made apart can be merged: environment maps, built-in
gestures and skins name theirs in their own files; anything else is given one by the checksum of its name.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from dataset.queries import add_table, database

SPLITS = ("train", "validation", "test")
_HELD_OUT = 0.1
"""Share of validation, and of test, among assets that name no split."""

Splits = Mapping[str, Mapping[str, Any]]

_ASSETS = {
    "base_poses": ["provenance.source || '/' || provenance.base_pose"],
    "skins": ["render.skin_right", "render.skin_left"],
    "environments": ["render.hdri"],
}
"""Kind of asset to the SQL of its names in a row of `images`."""


def split_of(kind: str, name: str) -> str:
    """The split of an asset that names none: a tenth of all names are test, a tenth validation, the rest train.

    Args:
        kind: what the name names, so that equal names of different things fall independently.
        name: of the asset, or of the group of assets that must stay together (a person, a recording).
    """
    digest = hashlib.sha256(f"{kind}/{name}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    return "test" if place < _HELD_OUT else "validation" if place < 2 * _HELD_OUT else "train"


def split_contents(images: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """What each split of some shards of `images` consists of, as the manifest records it.

    Counts of images, poses and hand shapes, and the names of base poses (with their source), skins and environments.
    """
    with database() as connection:
        if not add_table(connection, "images", images):
            return {}
        counts = connection.sql(
            'SELECT split, count(*), count(DISTINCT pose_id), count(DISTINCT hash("right".betas, "left".betas)) '
            "FROM images GROUP BY split"
        ).fetchall()
        found = {split: {"images": n, "poses": poses, "shapes": shapes} for split, n, poses, shapes in counts}
        for kind in _ASSETS:
            for split, names in _names(connection, kind):
                found[split][kind] = names
    return {split: found[split] for split in sorted(found)}


def _names(connection: duckdb.DuckDBPyConnection, kind: str) -> list[tuple[str, list[str]]]:
    every = " UNION ALL ".join(f"SELECT split, {name} AS name FROM images" for name in _ASSETS[kind])
    return connection.sql(f"SELECT split, list(DISTINCT name ORDER BY name) FROM ({every}) GROUP BY split").fetchall()


def leaks(splits: Splits) -> Iterator[str]:
    """A sentence for every named asset that is in more than one split."""
    for kind in _ASSETS:
        owners: dict[str, list[str]] = {}
        for split in sorted(splits):
            for name in splits[split].get(kind, ()):
                owners.setdefault(name, []).append(split)
        for name, found in sorted(owners.items()):
            if len(found) > 1:
                yield f"{kind.replace('_', ' ')[:-1]} '{name}' is in {' and '.join(found)}"


def shared_shapes(images: Iterable[Path]) -> list[str]:
    """A sentence for every hand shape (betas of both hands) that is in more than one split."""
    with database() as connection:
        if not add_table(connection, "images", images):
            return []
        found = connection.sql(
            'SELECT min(sample_id), list(DISTINCT split ORDER BY split) FROM images GROUP BY "right".betas, "left".betas '
            "HAVING count(DISTINCT split) > 1 ORDER BY 1"
        ).fetchall()
    return [f"the hand shape of {name} is in {' and '.join(splits)}" for name, splits in found]

"""What SQL counts: names, what splits consist of and share, doubles, and what was refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from dataset.manifest import Manifest
from dataset.queries import add_table, database, readable
from dataset.schema import TABLES
from dataset.splits import SPLITS
from hands.joints import Side

MEMORY = "512MB"
SHOWN = 12
"""Most frequent names that are kept of each kind."""
REASONS = 8
"""Most frequent reasons that are kept of each step."""

NAMES = {
    "base poses": ["provenance.base_pose"],
    "environments": ["render.hdri"],
    "skins": ["render.skin_right", "render.skin_left"],
}
"""Kind to the SQL of its names in a row of `images`; a skin counts for each hand."""
OWNED = {
    "poses": ["pose_id"],
    "base poses": ["provenance.source || '/' || provenance.base_pose"],
    "environments": ["render.hdri"],
    "skins": ["render.skin_right", "render.skin_left"],
    "hand shapes": ['hash("right".betas, "left".betas)'],
}
"""What no two splits may share: kind to the SQL of its names."""
QUESTIONS = len(NAMES) + len(OWNED) + 2
"""Readings of the images that `count` takes, for a progress bar."""

_ROUNDED = "list_transform({column}, lambda v: CAST(round(v * {steps}) AS BIGINT))"
_STEPS = {"global_orient": 10_000, "hand_pose": 10_000, "betas": 1000, "transl": 100_000}
"""Steps a unit within which parameters count as equal: 10⁻⁴ rad, 10⁻³ of a shape coefficient, 0.01 mm."""
_CAMERA_STEPS = {"K": 100, "R": 100_000, "t": 100_000}


@dataclass(frozen=True)
class Names:
    """How often each name of a kind occurs."""

    top: dict[str, int]
    """The most frequent ones, at most `SHOWN`, the most frequent first."""
    distinct: int = 0
    total: int = 0
    fewest: int = 0
    """Occurrences of the rarest name."""

    @property
    def most(self) -> int:
        """Occurrences of the most frequent name."""
        return next(iter(self.top.values()), 0)

    @property
    def listed(self) -> str:
        """The first five names with their counts, for a sentence."""
        first = list(self.top.items())[:5]
        named = ", ".join(f"{name} {count:,}" for name, count in first)
        return named + (f" and {self.distinct - len(first):,} more" if self.distinct > len(first) else "")


@dataclass(frozen=True)
class Refusal:
    """What one step refused for one reason."""

    stage: str
    reason: str
    count: int
    low: float
    """Least of what was measured, in the rule's unit."""
    high: float
    least_limit: float
    """What the rule allowed; runs may have allowed different things."""
    most_limit: float
    of_stage: int
    """All that the step refused, whatever the reason."""


@dataclass(frozen=True)
class Counts:
    """Exact counts of a dataset's rows."""

    names: dict[str, Names]
    """By kind, see `NAMES`."""
    splits: dict[str, dict[str, int]]
    """Split to the number of images and of each kind of `OWNED` in it."""
    shared: dict[str, int]
    """How many of each kind are in more than one split: must be 0."""
    double_poses: int
    """Poses beyond the first of those with equal parameters."""
    double_views: int
    """Images beyond the first of those with the same pose and the same camera."""
    refusals: list[Refusal]
    """By step; the most frequent reasons of each, the most frequent first."""
    bases_tried: int
    """Different base poses that went on to be augmented and judged."""

    @property
    def poses_seen(self) -> int:
        """Poses with at least one image; one that two splits share counts twice."""
        return sum(split["poses"] for split in self.splits.values())

    def refused(self, stage: str) -> int:
        """Rows that a step refused."""
        return next((refusal.of_stage for refusal in self.refusals if refusal.stage == stage), 0)


def count(manifest: Manifest, advance: Callable[[int], None]) -> Counts:
    """Ask all questions; `advance` gets the number of images after each that reads them.

    Raises:
        InputError: a shard is missing or damaged.
    """
    with readable(manifest.folder), database(MEMORY) as connection:
        for table in ("images", "poses", "rejected"):
            add_table(connection, table, manifest.paths(table), TABLES[table])
        ask = _Questions(connection, lambda: advance(manifest.rows("images")))
        splits, shared = ask.splits()
        return Counts(
            names={kind: ask.names(columns) for kind, columns in NAMES.items()},
            splits=splits,
            shared=shared,
            double_poses=ask.doubles("poses", _pose_key()),
            double_views=ask.doubles("images", _view_key()),
            refusals=ask.refusals(),
            bases_tried=ask.bases_tried(),
        )


def _pose_key() -> str:
    columns = [(f'"{side}".{name}', steps) for side in Side for name, steps in _STEPS.items()]
    return f"hash({', '.join(_ROUNDED.format(column=column, steps=steps) for column, steps in columns)})"


def _view_key() -> str:
    parts = [_ROUNDED.format(column=f"camera.{name}", steps=steps) for name, steps in _CAMERA_STEPS.items()]
    return f"hash(pose_id, {', '.join(parts)})"


@dataclass(frozen=True)
class _Questions:
    """Queries that read no more than a few columns."""

    connection: duckdb.DuckDBPyConnection
    done: Callable[[], None]

    def names(self, columns: Sequence[str]) -> Names:
        rows = self._rows(
            f"SELECT name, n, count(*) OVER (), sum(n) OVER (), min(n) OVER () FROM (SELECT name, count(*) AS n FROM "
            f"(SELECT unnest([{', '.join(columns)}]) AS name FROM images) GROUP BY name) ORDER BY n DESC, name LIMIT {SHOWN}"
        )
        return Names({name: n for name, n, *_ in rows}, *map(int, rows[0][2:] if rows else (0, 0, 0)))

    def splits(self) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
        images = dict(self._rows("SELECT split, count(*) FROM images GROUP BY 1"))
        splits = {name: {"images": images[name]} for name in sorted(images, key=split_order)}
        shared = {}
        for kind, columns in OWNED.items():
            shared[kind] = 0
            for split, owned, common in self._rows(_OWNERS.format(names=", ".join(columns))):
                splits[split][kind], shared[kind] = owned, common
        return splits, shared

    def doubles(self, table: str, key: str) -> int:
        return self._rows(f"SELECT count(*) - count(DISTINCT {key}) FROM {table}", counted=table == "images")[0][0]

    def refusals(self) -> list[Refusal]:
        rows = self._rows(
            "SELECT stage, split_part(reason, ':', 1) AS kind, count(*) AS n, min(value), max(value), min(\"limit\"), "
            'max("limit"), CAST(sum(count(*)) OVER (PARTITION BY stage) AS BIGINT) FROM rejected GROUP BY stage, kind '
            f"QUALIFY row_number() OVER (PARTITION BY stage ORDER BY n DESC, kind) <= {REASONS} ORDER BY stage, n DESC, kind",
            counted=False,
        )
        return [Refusal(*row) for row in rows]

    def bases_tried(self) -> int:
        base = "SELECT source || '/' || base_pose AS base FROM"
        tried = f"{base} poses UNION ALL {base} rejected WHERE stage = 'validate'"
        return self._rows(f"SELECT count(DISTINCT base) FROM ({tried})", counted=False)[0][0]

    def _rows(self, sql: str, counted: bool = True) -> list[tuple[Any, ...]]:
        found = self.connection.sql(sql).fetchall()
        if counted:
            self.done()
        return found


def split_order(split: str) -> tuple[int, str]:
    """Train first; names that the schema does not know last."""
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)


_OWNERS = """
    WITH pairs AS MATERIALIZED (SELECT DISTINCT split, unnest([{names}]) AS name FROM images),
    common AS (SELECT name FROM pairs GROUP BY name HAVING count(*) > 1)
    SELECT split, count(*), (SELECT count(*) FROM common) FROM pairs GROUP BY split
"""

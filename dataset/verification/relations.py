"""Do the tables agree with each other and with the manifest? Asked in SQL, so that a million rows need no more memory."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import duckdb

from dataset.manifest import Manifest
from dataset.queries import add_table, database
from dataset.schema import IDS, TABLES
from dataset.splits import SPLITS, leaks, shared_shapes, split_contents
from dataset.verification.report import Problem

_QUESTIONS = (
    ("images", "i.sample_id", "images i ANTI JOIN plan p USING (sample_id)", "it is not in the plan"),
    ("images", "i.sample_id", "images i ANTI JOIN poses p USING (pose_id)", "its pose {i.pose_id} is not in poses"),
    ("plan", "i.sample_id", "plan i ANTI JOIN poses p USING (pose_id)", "its pose {i.pose_id} is not in poses"),
    (
        "images",
        "i.sample_id",
        "images i JOIN plan p USING (sample_id) WHERE (i.pose_id, i.split, i.width, i.height, i.camera, i.render.hdri, "
        "i.render.skin_right, i.render.skin_left, i.render.seed) IS DISTINCT FROM (p.pose_id, p.split, p.width, p.height, "
        "p.camera, p.hdri, p.skin_right, p.skin_left, p.seed)",
        "its camera, look, pose or split is not the plan's",
    ),
    (
        "images",
        "i.sample_id",
        "images i JOIN poses p USING (pose_id) WHERE (i.split, i.provenance.base_pose, i.interaction.min_distance_mm, "
        "i.interaction.max_penetration_mm, i.interaction.contact_vertices) IS DISTINCT FROM (p.split, p.base_pose, "
        "p.min_distance_mm, p.max_penetration_mm, p.contact_vertices)",
        "its split, base pose or interaction is not that of its pose",
    ),
    (
        "images",
        "i.sample_id",
        'images i WHERE len(i."right".contact) + len(i."left".contact) <> i.interaction.contact_vertices',
        'lists {len(i."right".contact) + len(i."left".contact)} vertices in contact where contact_vertices says '
        "{i.interaction.contact_vertices}",
    ),
    (
        "images",
        "i.sample_id",
        f"images i WHERE i.split NOT IN {SPLITS}",
        "has the split '{i.split}', which there is not",
    ),
    (
        "images",
        "i.sample_id",
        "images i WHERE i.viewpoint NOT IN ('track', 'egocentric')",
        "has the viewpoint '{i.viewpoint}', which there is not",
    ),
)
"""(table, id, FROM and WHERE that find wrong rows, sentence); what stands in braces is SQL."""


def check_relations(manifest: Manifest, readable: Mapping[str, list[Path]]) -> Iterator[Problem]:
    """Ids that occur twice, rows that contradict another table, rows that no run of the manifest made, unfinished work."""
    with database() as connection:
        for table, schema in TABLES.items():
            add_table(connection, table, readable[table], schema)
        for table in ("poses", "plan", "images"):
            yield from _doubles(connection, table)
        for table, name, wrong, sentence in _QUESTIONS:
            yield from _answers(connection, table, name, wrong, sentence)
        runs = ", ".join(f"'{sha256}'" for sha256 in manifest.runs) or "''"
        other = f"images i WHERE i.provenance.config_sha256 NOT IN ({runs})"
        sentence = "was made with another configuration than the manifest's"
        yield from _answers(connection, "images", "i.sample_id", other, sentence)
        yield from _unfinished(connection, manifest)


def _doubles(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[Problem]:
    name = IDS[table]
    found = connection.execute(f"SELECT {name}, count(*) FROM {table} GROUP BY 1 HAVING count(*) > 1 ORDER BY 1")
    for row, count in _rows(found):
        yield Problem(table, row, f"{name} occurs {count} times")


def _answers(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, wrong: str, sentence: str
) -> Iterator[Problem]:
    pieces = sentence.replace("}", "{").split("{")
    words = [f"({piece})" if odd % 2 else "'" + piece.replace("'", "''") + "'" for odd, piece in enumerate(pieces)]
    for row, message in _rows(connection.execute(f"SELECT {name}, concat({', '.join(words)}) FROM {wrong}")):
        yield Problem(table, row, message)


def _rows(answer: duckdb.DuckDBPyConnection) -> Iterator[tuple]:
    while rows := answer.fetchmany(1024):
        yield from rows


def _unfinished(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> Iterator[Problem]:
    ((count,),) = connection.sql(
        "SELECT count(*) FROM plan ANTI JOIN images USING (sample_id) ANTI JOIN rejected USING (sample_id)"
    ).fetchall()
    if count and not manifest.stopped:
        remedy = "give the command that made it again to finish it"
        yield Problem("plan", "unfinished", f"{count:,} planned images were neither rendered nor refused; {remedy}")
    elif not manifest.is_finished and manifest.rows("images"):
        yield Problem("manifest", "splits", "are not recorded: the last step is missing; give the command again")


def check_splits(manifest: Manifest, images: Iterable[Path]) -> Iterator[Problem]:
    """Assets in two splits, and splits that are not what the manifest says."""
    paths = list(images)
    found = split_contents(paths)
    for sentence in (*leaks(found), *shared_shapes(paths)):
        yield Problem("images", "splits", sentence)
    if manifest.is_finished:
        for split in sorted(found.keys() | manifest.splits.keys()):
            said, there = manifest.splits.get(split, {}), found.get(split, {})
            for name in sorted(said.keys() | there.keys()):
                if said.get(name) != there.get(name):
                    yield Problem("manifest", "splits", f"{name} of {split} are not those of the images")

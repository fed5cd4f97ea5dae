"""Which rows of a dataset a condition chooses: their numbers, in a database that goes to disk when they are many."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from dataset.errors import InputError
from dataset.growing.inputs import Input, queried
from dataset.growing.predicate import condition, refusal
from dataset.manifest import Manifest
from dataset.queries import database, reason_of
from dataset.schema import IMAGES, is_picture

_FOLLOWING = {"plan": "sample_id", "poses": "pose_id"}
"""Tables whose rows go with chosen images, to the column that says so."""


@dataclass(frozen=True)
class Choice:
    """Chosen rows of `images`, with their rows of `plan` and `poses`."""

    connection: duckdb.DuckDBPyConnection
    manifest: Manifest

    def counts(self, table: str) -> dict[str, int]:
        """Shard to the number of its rows that are chosen, in name order; those without any are left out."""
        names = sorted(self.manifest.shards[table])
        found = self.connection.sql(f"SELECT place, count(*) FROM chosen_{table} GROUP BY 1 ORDER BY 1").fetchall()
        return {names[place]: count for place, count in found}

    def numbers(self, table: str, shard: str) -> list[int]:
        """The chosen rows of a shard by their numbers, ascending."""
        place = sorted(self.manifest.shards[table]).index(shard)
        query = f"SELECT number FROM chosen_{table} WHERE place = ? ORDER BY 1"
        return [number for (number,) in self.connection.execute(query, [place]).fetchall()]

    def runs(self) -> set[str]:
        """Checksums of the configurations that made the chosen images."""
        return {run for (run,) in self.connection.sql("SELECT DISTINCT run FROM chosen_images").fetchall()}


@contextmanager
def choose(dataset: Input, where: str, limit: int | None = None) -> Iterator[Choice]:
    """The images of a dataset that meet a condition, as long as the block lasts.

    Args:
        dataset: what is chosen from.
        where: SQL on the columns of `images` without the pictures.
        limit: of how many at most, spread evenly over all that meet it; None: all.

    Raises:
        InputError: the condition is none, no image meets it, or the dataset is damaged.
    """
    with database() as connection:
        with queried([dataset]):
            _seal(connection, dataset.manifest)
            images = _images(connection, dataset.manifest)
        _choose_images(images, where, connection)
        choice = Choice(connection, dataset.manifest)
        with queried([dataset]):
            _spread(connection, limit)
            _follow(choice)
        yield choice


def _seal(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """No file but those of the dataset is read, whatever a condition says."""
    folder = str(manifest.folder).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _images(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> duckdb.DuckDBPyRelation:
    columns = ", ".join(f'"{field.name}"' for field in IMAGES if not is_picture(field))
    query = f"SELECT {columns}, file_index AS _place, file_row_number AS _number FROM read_parquet(?)"
    return connection.sql(query, params=[_files(manifest, "images")])


def _files(manifest: Manifest, table: str) -> list[str]:
    return [str(path) for path in manifest.paths(table)]


def _choose_images(images: duckdb.DuckDBPyRelation, where: str, connection: duckdb.DuckDBPyConnection) -> None:
    checked = condition(images, where, connection)
    wanted = "_place AS place, _number AS number, sample_id, pose_id, provenance.config_sha256 AS run"
    try:
        images.filter(checked).project(wanted).create("chosen_images")
    except duckdb.Error as error:
        raise refusal(where, reason_of(error)) from error
    if not connection.sql("SELECT 1 FROM chosen_images LIMIT 1").fetchall():
        raise InputError(f"--where {where!r}: no image meets this; `render-ih inspect` shows what there is")


def _spread(connection: duckdb.DuckDBPyConnection, limit: int | None) -> None:
    """Keep so many, evenly over all: the first ones would be of one split, or of the first of several runs."""
    ((count,),) = connection.sql("SELECT count(*) FROM chosen_images").fetchall()
    if limit is not None and limit < count:
        rank = "row_number() OVER (ORDER BY place, number)"
        kept = f"{rank} * {limit:d} // {count} > ({rank} - 1) * {limit:d} // {count}"
        connection.execute(f"CREATE TABLE fewer AS SELECT * FROM chosen_images QUALIFY {kept}")
        connection.execute("DROP TABLE chosen_images")
        connection.execute("ALTER TABLE fewer RENAME TO chosen_images")


def _follow(choice: Choice) -> None:
    """The rows of `plan` and `poses` that go with the images."""
    for table, name in _FOLLOWING.items():
        choice.connection.execute(
            f"CREATE TABLE chosen_{table} AS SELECT file_index AS place, file_row_number AS number FROM read_parquet(?) "
            f"SEMI JOIN chosen_images USING ({name})",
            [_files(choice.manifest, table)],
        )
        ((wanted,),) = choice.connection.sql(f"SELECT count(DISTINCT {name}) FROM chosen_images").fetchall()
        if sum(choice.counts(table).values()) != wanted:
            raise InputError(
                f"{choice.manifest.folder}: not every image has one row in `{table}`; `render-ih verify` lists those"
            )

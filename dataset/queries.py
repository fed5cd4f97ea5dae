"""SQL over the tables of a dataset, in bounded memory: what does not fit goes to a temporary file."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from dataset.errors import InputError

MEMORY = "1GB"
"""DuckDB's share; larger sorts and groupings go to disk."""
_OUR_OWN = (duckdb.BinderException, duckdb.CatalogException, duckdb.InterruptException, duckdb.ParserException)
"""Errors that no file is to blame for."""


@contextmanager
def database(memory: str = MEMORY, threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills to a temporary folder, and keeps no setting and no file.

    Raises:
        InputError: there is no room for the temporary files.
    """
    with TemporaryDirectory(prefix="render-ih-sql-") as folder, _room_explained(Path(folder)):
        settings = {"memory_limit": memory, "threads": threads, "temp_directory": folder}
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET enable_progress_bar = false")
            yield connection


@contextmanager
def _room_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if not isinstance(error, duckdb.OutOfMemoryException) and "No space left" not in str(error):
            raise
        raise InputError(
            f"{folder.parent}: no room for temporary files ({reason_of(error)}); free some, or name another folder in TMPDIR"
        ) from error


@contextmanager
def readable(*folders: Path) -> Iterator[None]:
    """Around queries over the tables of datasets.

    Raises:
        InputError: for what DuckDB says of files that it cannot read, or of a temporary folder that is full.
    """
    try:
        yield
    except _OUR_OWN:
        raise
    except duckdb.Error as error:
        names = " and ".join(map(str, folders))
        raise InputError(
            f"{names}: cannot be read ({reason_of(error)}); `render-ih verify` names a file that is missing or damaged"
        ) from error


def reason_of(error: duckdb.Error) -> str:
    """What DuckDB says, in one line and without the query."""
    return " ".join(str(error).partition("\n\n")[0].partition("\nLINE ")[0].split())


def add_table(
    connection: duckdb.DuckDBPyConnection, name: str, paths: Iterable[Path], schema: pa.Schema | None = None
) -> bool:
    """Make the files of a table known under its name; without files an empty one of that schema, if one is given.

    Returns:
        Whether the table has files.
    """
    files = [str(path) for path in paths]
    if files:
        connection.read_parquet(files).create_view(name)
    elif schema is not None:
        connection.from_arrow(schema.empty_table()).create(name)
    return bool(files)

"""Rows of one dataset in a table that answers in milliseconds, kept up with the shards that its manifest lists.

Each table has, beside its columns, `shard` and `number` (where the row is: file and row in it) and `arrived`, which goes up in
the order in which shards were finished. All datasets share one DuckDB file in a temporary folder, gone with the process.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.rows.columns import TABLES, Kept
from dashboard.watching.told import text
from dataset.errors import InputError
from dataset.manifest import Manifest, file_name
from dataset.shards import Shard
from dataset.storage.store import Store
from tasks.observing.history import Line

MEMORY = "300MB"
"""DuckDB's share for all datasets together; the rest lies on disk."""
_PATIENCE = 20.0
"""Seconds that a question may take while the database is being closed."""
_KEPT, _LARGEST = 256, 2000
"""Answers that are kept until something changes, and rows of the largest one."""

Key = tuple[str, str, str]
"""(table, shard, checksum)."""


class Database:
    """The file that all indices share."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="render-ih-dashboard-")
        settings = {"memory_limit": MEMORY, "threads": 2, "temp_directory": self._folder.name}
        self.connection = duckdb.connect(str(Path(self._folder.name) / "rows.duckdb"), config=settings)
        self._schemas, self._lock = 0, threading.Lock()

    def new_schema(self) -> str:
        """A name space for one dataset."""
        self._schemas += 1
        name = f"dataset_{self._schemas}"
        self.cursor().execute(f"CREATE SCHEMA {name}")
        return name

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one question; threads may ask for one at once."""
        with self._lock:
            return self.connection.cursor()

    def close(self) -> None:
        """Forget everything; who asks afterwards gets an error of DuckDB's, who still asks is waited for."""
        patient = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._lock:
                    self.connection.close()
                break
            except duckdb.ResourceInUseException:
                if time.monotonic() > patient:
                    raise
                time.sleep(0.05)
        self._folder.cleanup()


class RowIndex:
    """Of one dataset. One thread calls `take_in`; any thread asks."""

    def __init__(self, database: Database) -> None:
        self._database, self._schema = database, database.new_schema()
        self._taken: dict[Key, int] = {}
        self._arrived = 0
        self._answers: OrderedDict[tuple, list[tuple]] = OrderedDict()
        self._lock = threading.Lock()
        self.version = 0
        """Goes up with every change of the rows."""
        self.written = 0
        """Goes up with every change of tables beside them."""
        self.troubles: dict[str, str] = {}
        """File to why it cannot be read."""
        self.waiting = 0
        """Shards that are listed and not taken in yet."""
        for kept in TABLES.values():
            columns = ", ".join(f"{column.name} {column.kind}" for column in kept.columns)
            place = "shard VARCHAR, number INTEGER, arrived INTEGER"
            self._cursor().execute(f"CREATE TABLE {kept.name} ({columns}, {place})")

    def ask(self, sql: str, values: Mapping[str, Any] | Sequence[Any] | None = None) -> list[tuple]:
        """The answer's rows; values are `$name` or `?` in the SQL. Until something changes, the same question costs nothing."""
        asked = values.items() if isinstance(values, Mapping) else values or ()
        key = (self.state, sql, tuple(map(repr, asked)))
        with self._lock:
            kept = self._answers.get(key)
        if kept is None:
            kept = self._cursor().execute(sql, values).fetchall()
            if len(kept) <= _LARGEST:
                self._keep(key, kept)
        return list(kept)

    def _keep(self, key: tuple, answer: list[tuple]) -> None:
        with self._lock:
            if self._answers and next(iter(self._answers))[0] != key[0]:
                self._answers.clear()
            self._answers[key] = answer
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)

    def write(self, sql: str, values: Mapping[str, Any] | Sequence[Any] | None = None) -> None:
        """Change a table that was made beside those of the rows; answers that were kept are forgotten."""
        self._cursor().execute(sql, values)
        self.written += 1

    @property
    def state(self) -> tuple[int, int]:
        """Changes with everything that answers may depend on."""
        return self.version, self.written

    def columns(self, sql: str, values: Mapping[str, Any] | Sequence[Any] | None = None) -> dict[str, Any]:
        """The answer as NumPy arrays by column; what is missing is NaN in numbers."""
        return self._cursor().execute(sql, values).fetchnumpy()

    def take_in(self, manifest: Manifest, store: Store, history: Sequence[Line], seconds: float = 1.0) -> bool:
        """Take over shards that are new, for a while; drop those that are gone. Whether anything has changed."""
        listed = {(t, name, shard.sha256): shard for t in TABLES for name, shard in manifest.shards[t].items()}
        changed = self._drop(self._taken.keys() - listed.keys())
        self.troubles = {
            name: why for name, why in self.troubles.items() if any(file_name(t, n) == name for t, n, _ in listed)
        }
        new = [key for key in _ordered(listed, history) if key not in self._taken]
        new.sort(key=lambda key: file_name(*key[:2]) in self.troubles)  # what could not be read waits for all others
        self.waiting, until = len(new), time.monotonic() + seconds
        for key in new:
            if time.monotonic() > until:
                break
            changed = self._add(key, listed[key], store) or changed
            self.waiting -= 1
        self.version += changed
        return changed

    def _add(self, key: Key, shard: Shard, store: Store) -> bool:
        table, name, _ = key
        kept, file = TABLES[table], file_name(table, name)
        try:
            if store.size(file) != shard.bytes:
                raise InputError("it is missing or has another size than the manifest says")
            with store.open(file) as opened, pq.ParquetFile(opened, pre_buffer=True) as parquet:
                rows = parquet.read(columns=list(kept.read))
            self._insert(kept, name, rows)
        except (InputError, OSError, pa.ArrowException, duckdb.Error, KeyError) as error:
            self.troubles[file] = " ".join(str(error).split())[:300]
            return False
        self.troubles.pop(file, None)
        self._taken[key] = len(rows)
        return True

    def _insert(self, kept: Kept, name: str, rows: pa.Table) -> None:
        cursor, self._arrived = self._cursor(), self._arrived + 1
        rows = rows.append_column("row_number", pa.array(range(len(rows)), pa.int32()))
        cursor.register("rows_of_file", rows)
        columns = ", ".join(f"({column.source})::{column.kind}" for column in kept.columns)
        sql = f"INSERT INTO {kept.name} SELECT {columns}, $name, row_number, $arrived FROM rows_of_file"
        cursor.execute(sql, {"name": name, "arrived": self._arrived})
        cursor.unregister("rows_of_file")

    def _drop(self, gone: Iterable[Key]) -> bool:
        gone = list(gone)
        for key in gone:
            self._cursor().execute(f"DELETE FROM {TABLES[key[0]].name} WHERE shard = ?", [key[1]])
            del self._taken[key]
        return bool(gone)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._database.cursor()
        cursor.execute(f"SET schema = '{self._schema}'")
        return cursor


def _ordered(listed: Iterable[Key], history: Sequence[Line]) -> list[Key]:
    """In the order in which they were made, as far as that is known; then by name."""
    places = {(text(line, "stage"), text(line, "shard")): place for place, line in enumerate(history)}
    small_first = list(TABLES)
    small_first.sort(key=lambda table: table in ("images", "plan"))
    return sorted(
        listed,
        key=lambda key: (
            small_first.index(key[0]),
            places.get((key[0], key[1]), len(places)),
            key[1],
        ),
    )

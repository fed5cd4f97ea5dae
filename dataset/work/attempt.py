"""One try at making a shard: its files lie apart until it is known that they are the ones that count."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataset.errors import InputError
from dataset.manifest import file_name
from dataset.schema import TABLES
from dataset.shards import Shard, write_shard, write_table
from dataset.storage.store import Store

FOLDER = ".work/attempts"

Made = list[tuple[str, Shard]]
"""Tables with the shards that were made of them."""


@dataclass
class Attempt:
    """The files of one attempt, told from those of others by its token."""

    store: Store
    token: str
    made: Made = field(default_factory=list)
    """What has been written."""

    def write(self, table: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows as a shard of a table; see `dataset.shards.write_shard`."""
        self._add(table, name, write_shard(self._path(table, name), rows, TABLES[table]))

    def write_parts(self, table: str, name: str, parts: Iterable[pa.Table]) -> None:
        """Write tables that follow each other as one shard; see `dataset.shards.write_table`."""
        self._add(table, name, write_table(self._path(table, name), parts, TABLES[table]))

    def publish(self) -> None:
        """Bring the files to storage, still apart."""
        for table, shard in self.made:
            self.store.publish(self._name(table, shard.name))

    def place(self) -> None:
        """Give the files their final names, unless another process has done so by now.

        Raises:
            InputError: they are lost.
        """
        for table, shard in self.made:
            final = file_name(table, shard.name)
            moved = self.store.move(self._name(table, shard.name), final)
            if not moved and self.store.size(final) != shard.bytes:
                raise InputError(f"{self.store.url}: {final} is lost; give the command again, to make it anew")

    def discard(self) -> None:
        """Remove the files."""
        for table, shard in self.made:
            self._path(table, shard.name).unlink(missing_ok=True)
            self.store.remove(self._name(table, shard.name))

    def _add(self, table: str, name: str, shard: Shard) -> None:
        self.made.append((table, replace(shard, name=name)))

    def _path(self, table: str, name: str) -> Path:
        return self.store.folder / self._name(table, name)

    def _name(self, table: str, name: str) -> str:
        return f"{FOLDER}/{self.token}.{table}.{name}.parquet"

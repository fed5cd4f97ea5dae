"""Rows put in a random order once, as they are written: what is read together later was not made together."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from dataset.queries import add_table, database


def shuffled_by_split(files: Sequence[Path], seed: int, size: int) -> Iterator[tuple[str, pa.Table]]:
    """Shard names and rows of tables with `sample_id` and `split`, sorted on disk when they are many.

    Each shard is of one split and a random part of all its rows. The order follows from the seed and the names alone, so
    work that was cut short comes out the same again.
    """
    with database() as connection:
        if not add_table(connection, "rows", files):
            return
        for (split,) in connection.sql("SELECT DISTINCT split FROM rows ORDER BY 1").fetchall():
            order = f"md5(concat('{int(seed)}/', sample_id)), sample_id"
            ordered = connection.sql(f"SELECT * FROM rows WHERE split = '{split}' ORDER BY {order}")
            for number, rows in enumerate(in_pieces(ordered.to_arrow_reader(size), size)):
                yield f"{split}-{number:05d}", rows


def in_pieces(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of `size` rows, the last one smaller."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        table = pa.Table.from_batches([*waiting, batch])
        while len(table) >= size:
            yield table.slice(0, size)
            table = table.slice(size)
        waiting = table.to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting)

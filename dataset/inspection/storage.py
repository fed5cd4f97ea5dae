"""What a dataset weighs: bytes of each column, from the Parquet files' own lists, without reading any data."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from dataset.shards import open_shard

LISTS = "lists and checks"
"""What is in a file beside its columns: the list of its parts, page indexes, the schema."""


def column_bytes(paths: Iterable[Path], schema: pa.Schema) -> Counter[str]:
    """Stored bytes of each column over many shards, groups as one column; `LISTS` is the rest of the files.

    Raises:
        InputError: a shard is missing or not a Parquet file.
    """
    total: Counter[str] = Counter({name: 0 for name in schema.names})
    for path in paths:
        found = _of_shard(path)
        total.update(found)
        total[LISTS] += path.stat().st_size - found.total()
    return total


def _of_shard(path: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    with open_shard(path) as file:
        metadata = file.metadata
        roots = [metadata.schema.column(number).path.split(".")[0] for number in range(metadata.num_columns)]
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for number, root in enumerate(roots):
                found[root] += group.column(number).total_compressed_size
    return found

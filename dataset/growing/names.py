"""Names that stay unique when datasets come together: of samples, of poses, and of files."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dataset.errors import InputError
from dataset.growing.inputs import Input, queried
from dataset.manifest import Manifest
from dataset.queries import add_table, database
from dataset.schema import TABLES, is_picture

_SHORTEST = 6
"""Characters of a checksum before the dash: `3fa2c1-`."""
_IDS = (("sample", "plan"), ("sample", "rejected"), ("pose", "poses"), ("pose", "rejected"))
"""What is named, and a table that names it; the other tables name nothing else."""
_NUMBERED = re.compile(r"(?P<split>.*?)-?(?P<number>\d+)")


def choose_prefixes(inputs: Sequence[Input]) -> list[str]:
    """What goes before every sample and pose id of each dataset, so that none is there twice; nothing where none would be.

    The beginning of the checksum of the dataset's configuration; where several runs made it, of its manifest.

    Raises:
        InputError: a dataset cannot be read, or has been put in too often.
    """
    with database() as connection, queried(inputs):
        connection.execute("CREATE TABLE taken (kind VARCHAR, id VARCHAR)")
        return [_take(connection, number, dataset) for number, dataset in enumerate(inputs)]


def _take(connection: duckdb.DuckDBPyConnection, number: int, dataset: Input) -> str:
    own = f"ids_{number}"
    connection.execute(f"CREATE TABLE {own} AS {_ids(connection, number, dataset.manifest)}")
    for prefix in _candidates(dataset):
        new = f"SELECT kind, concat('{prefix}', id) AS id FROM {own}"
        ((taken,),) = connection.sql(f"SELECT count(*) FROM ({new}) SEMI JOIN taken USING (kind, id)").fetchall()
        if not taken:
            connection.execute(f"INSERT INTO taken {new}")
            connection.execute(f"DROP TABLE {own}")
            return prefix
    raise InputError(f"{dataset.manifest.folder}: no new names are left for its rows; merge the datasets it came from")


def _ids(connection: duckdb.DuckDBPyConnection, number: int, manifest: Manifest) -> str:
    """SQL for all names in a dataset."""
    for table in ("plan", "poses", "rejected"):
        add_table(connection, f"{table}_{number}", manifest.paths(table), TABLES[table])
    return " UNION ".join(
        f"SELECT '{kind}' AS kind, {kind}_id AS id FROM {table}_{number} WHERE {kind}_id <> ''" for kind, table in _IDS
    )


def _candidates(dataset: Input) -> Iterator[str]:
    runs = list(dataset.manifest.runs)
    checksum = runs[0] if len(runs) == 1 else dataset.fingerprint
    yield ""
    for length in range(_SHORTEST, len(checksum) + 1):
        yield checksum[:length] + "-"


def renamed(rows: pa.Table, prefix: str) -> pa.Table:
    """The same rows with the prefix before every sample and pose id, and before the names of the pictures."""
    for place, field in enumerate(rows.schema):
        if field.name in ("sample_id", "pose_id"):
            rows = rows.set_column(place, field, _prefixed(rows[field.name], prefix))
        elif is_picture(field):
            chunks = [_picture(chunk, prefix) for chunk in rows[field.name].chunks]
            rows = rows.set_column(place, field, pa.chunked_array(chunks, field.type))
    return rows


def _prefixed(names: pa.Array | pa.ChunkedArray, prefix: str) -> pa.Array | pa.ChunkedArray:
    """Rows without a name, as of a refused pose that has no image, stay without."""
    return pc.if_else(pc.equal(names, ""), names, pc.binary_join_element_wise(prefix, names, ""))


def _picture(cells: pa.StructArray, prefix: str) -> pa.StructArray:
    content, path = cells.flatten()
    return pa.StructArray.from_arrays(
        [content, _prefixed(path, prefix)], fields=list(cells.type), mask=cells.is_null(nan_is_null=False)
    )


class ShardNames:
    """Gives file names that are not taken: `train-00003`, or `00003` for files without a split."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._next: Counter[str] = Counter()
        for name in taken:
            if match := _NUMBERED.fullmatch(name):
                self._next[match["split"]] = max(self._next[match["split"]], int(match["number"]) + 1)

    def new(self, split: str) -> str:
        """The next name of that split."""
        number = self._next[split]
        self._next[split] += 1
        return f"{split}-{number:05d}" if split else f"{number:05d}"


def splits_of_shards(manifest: Manifest, table: str) -> dict[str, str]:
    """Shard to the split of its rows; "" for all when one mixes splits, or the table has none. Empty shards are left out.

    Raises:
        InputError: a shard cannot be read.
    """
    names = sorted(name for name, shard in manifest.shards[table].items() if shard.rows)
    if not names or "split" not in TABLES[table].names:
        return dict.fromkeys(names, "")
    with database() as connection:
        paths = [str(manifest.path(table, name)) for name in names]
        query = "SELECT file_index, min(split), max(split) FROM read_parquet(?) GROUP BY 1 ORDER BY 1"
        found = connection.execute(query, [paths]).fetchall()
    pure = all(first == last for _, first, last in found)
    return {names[place]: first if pure else "" for place, first, _ in found}

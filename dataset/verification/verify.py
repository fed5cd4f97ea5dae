"""Is a dataset what its manifest and its schema promise? Checksums, tables, names, splits, and every label."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path

from dataset.manifest import Manifest
from dataset.queries import add_table, database
from dataset.schema import TABLES, leaf_columns
from dataset.shards import ROWS_PER_GROUP, iterate_rows, rows_with
from dataset.verification.files import check_files, check_numbers, check_shard
from dataset.verification.geometry import check_geometry
from dataset.verification.labels import check_pictures
from dataset.verification.relations import check_relations, check_splits
from dataset.verification.report import Problem, Report
from hands.joints import Side
from hands.model import HandModel

MOST = 10_000
"""Problems that a report lists."""

Paths = dict[str, list[Path]]
Hands = Mapping[Side, HandModel]
Bar = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Title, total and unit to a progress bar, which is called with what has just been done."""


@contextmanager
def _silent(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda count: None


def verify(dataset_dir: Path, hands: Hands, sample: int = 0, pictures: bool = True, progress: Bar = _silent) -> Report:
    """Check a dataset against itself and against the hand model that made it.

    Files, tables and how they relate are always checked whole.

    Args:
        dataset_dir: the dataset.
        hands: the hand models that made it, see `dataset.assets.hand_files.hands_of`.
        sample: of how many images the labels are checked, chosen over the whole dataset; 0: all.
        pictures: whether pictures are opened; without them the rest of the labels is checked.
        progress: shows how far it is.

    Raises:
        InputError: the directory is not a dataset.
    """
    manifest = Manifest.read(dataset_dir)
    readable: Paths = {table: [] for table in TABLES}
    found = _tables(manifest, readable, progress)
    problems = list(islice(found, MOST + 1))
    only = _chosen(readable["images"], sample)
    looked_at = len(only) if sample else manifest.rows("images")
    problems += islice(
        _labels(manifest, readable, hands, only, looked_at, pictures, progress), MOST + 1 - len(problems)
    )
    kept, cut = tuple(problems[:MOST]), len(problems) > MOST
    rows = {table: manifest.rows(table) for table in TABLES}
    return Report(rows, looked_at, looked_at if pictures else 0, kept, cut)


def _tables(manifest: Manifest, readable: Paths, progress: Bar) -> Iterator[Problem]:
    """What is wrong with files and tables; those that can be read are added to `readable`."""
    shards = [(table, shard) for table in TABLES for _, shard in sorted(manifest.shards[table].items())]
    with progress("Checking files", len(shards), "files") as advance:
        yield from check_files(manifest, advance)
    with progress("Checking tables", sum(shard.rows for _, shard in shards), "rows") as advance:
        for table, shard in shards:
            found = check_shard(manifest, table, shard)
            readable[table] += [] if found else [manifest.path(table, shard.name)]
            yield from found or check_numbers(manifest, table, shard, leaf_columns(TABLES[table]))
            advance(shard.rows)
    yield from check_relations(manifest, readable)
    yield from check_splits(manifest, readable["images"])


def _chosen(images: Iterable[Path], sample: int) -> list[str]:
    """Names of a sample of images: the same at every call, from everywhere in the dataset."""
    with database() as connection:
        if not sample or not add_table(connection, "images", images):
            return []
        query = "SELECT sample_id FROM images ORDER BY md5(sample_id), sample_id LIMIT ?"
        return [name for (name,) in connection.execute(query, [sample]).fetchall()]


def _labels(
    manifest: Manifest, readable: Paths, hands: Hands, only: list[str], count: int, pictures: bool, progress: Bar
) -> Iterator[Problem]:
    with progress("Checking geometry", count, "images") as advance:
        yield from check_geometry(readable["images"], readable["poses"], hands, advance, only)
    if not pictures:
        return
    with progress("Checking pictures", count, "images") as advance:
        for path in readable["images"]:
            for rows in _picture_rows(path, only):
                for name, sentence in check_pictures(rows, hands):
                    yield Problem("images", name, sentence)
                advance(len(rows))


def _picture_rows(path: Path, only: list[str]) -> Iterator[list[dict]]:
    """Rows of a shard, a row group at a time, or those of the sample."""
    if only:
        rows = rows_with([path], "sample_id", only)
        yield from ([rows] if rows else [])
        return
    rows = iterate_rows([path])
    while group := list(islice(rows, ROWS_PER_GROUP)):
        yield group

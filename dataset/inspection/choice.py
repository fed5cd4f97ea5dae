"""Which images stand for all of them on a contact sheet: found by SQL, so that nothing grows with their number."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from dataset.queries import database

_PICKS = """
    WITH bases AS (SELECT DISTINCT provenance.base_pose AS base FROM images),
    chosen AS (SELECT base FROM bases QUALIFY list_contains($evenly, row_number() OVER (ORDER BY base) - 1))
    SELECT arg_min({{'file': filename, 'row': file_row_number}}, md5(sample_id), {each})
    FROM images JOIN chosen ON provenance.base_pose = base GROUP BY base ORDER BY base
"""


def chosen_places(paths: Sequence[Path], count: int) -> dict[str, list[int]]:
    """File to the numbers of the rows chosen in it: `count` in all, or every row when there are fewer.

    Of more base poses than `count`, every so-manieth by name gives one row; of fewer, each gives rows in turn. Which ones is
    decided by checksums of their names, whatever the order of the shards.
    """
    with database() as connection:
        files = connection.read_parquet([str(path) for path in paths], filename=True, file_row_number=True)
        files.create_view("images")
        places: dict[str, list[int]] = {}
        for place in _picks(connection, count):
            places.setdefault(place["file"], []).append(place["row"])
    return {file: sorted(rows) for file, rows in places.items()}


def _picks(connection: duckdb.DuckDBPyConnection, count: int) -> list[dict]:
    bases = connection.sql("SELECT count(DISTINCT provenance.base_pose) FROM images").fetchall()[0][0]
    taken = min(bases, count)
    each = 1 if bases > count else count  # a base pose with few images leaves its turns to the others
    evenly = [number * bases // taken for number in range(taken)]
    found = connection.execute(_PICKS.format(each=each), {"evenly": evenly}).fetchall()
    in_turn = [picks[turn] for turn in range(each) for (picks,) in found if turn < len(picks)]
    return in_turn[:count]

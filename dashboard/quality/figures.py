"""How good poses and pictures are, in numbers: spread over all rows, and in the order in which shards arrived.

Counts, ends and means are of all rows; everything else is of every so manieth one, the same whenever somebody asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.rows.index import RowIndex
from dataset.inspection.sampling import Distribution

SAMPLE = 20_000
"""Rows of a sample, roughly, when there are more."""
BINS = 40
"""Most points of a curve."""
HANDS = (
    "(SELECT visible_right AS visible, joints_right AS joints, arrived, number FROM samples UNION ALL "
    "SELECT visible_left, joints_left, arrived, number FROM samples)"
)
"""In the place of a table: a row a hand of `samples`."""
Columns = Mapping[str, str]
"""Name to SQL of a number."""

_TALLIES = ("count", "min", "max", "avg")
_CHOSEN = "hash(number * 1000003 + arrived) % {every} = 0"
"""Of numbers alone: it takes a twentieth of the time that names would."""
_PLACED = """
    WITH shards AS (SELECT arrived, count(*) AS rows FROM {counted} GROUP BY arrived),
    counted AS (
        SELECT arrived, rows, sum(rows) OVER (ORDER BY arrived) AS upto, sum(rows) OVER () AS total,
            least({bins}, greatest(1, floor(sum(rows) OVER () / median(rows) OVER ()))) AS bins
        FROM shards
    ),
    placed AS (SELECT arrived, upto, floor((upto - rows / 2) * bins / total) AS bin FROM counted),
    ends AS (SELECT bin, max(upto) AS upto FROM placed GROUP BY bin)
"""
"""Shards go to bins of about as many rows each, so that a small shard makes no peak of its own."""


@dataclass(frozen=True)
class Course:
    """One number in the order of arrival: for each bin of shards its median, and between what eight tenths lie."""

    upto: tuple[int, ...]
    """Rows that were there at the end of each bin."""
    low: tuple[float | None, ...]
    """Tenth percentile; None where a bin has no number."""
    middle: tuple[float | None, ...]
    high: tuple[float | None, ...]
    """Ninetieth percentile."""


@dataclass(frozen=True)
class Rule:
    """What a step refused by one rule."""

    stage: str
    reason: str
    count: int
    measured: float | None
    """Median of what was measured, in the rule's unit."""
    allowed: tuple[float | None, float | None]
    """Least and greatest limit; runs may have had different ones."""


def rows_of(index: RowIndex, table: str) -> int:
    """Rows of a table so far."""
    return index.ask(f"SELECT count(*) FROM {table}")[0][0]


def every(rows: int) -> int:
    """One row in so many is in the sample."""
    return max(1, rows // SAMPLE)


def spreads(index: RowIndex, table: str, columns: Columns) -> dict[str, Distribution]:
    """How numbers of a table are distributed; what is missing or no number is left out."""
    numbers = [f"(({sql})::DOUBLE)" for sql in columns.values()]
    exact = ", ".join(f"{tally}{one} FILTER (isfinite{one})" for one in numbers for tally in _TALLIES)
    (told,) = index.ask(f"SELECT {exact} FROM {table}")
    chosen = ", ".join(f"({sql})::DOUBLE AS {name}" for name, sql in columns.items())
    where = _CHOSEN.format(every=every(max(told[::4])))
    sample = index.columns(f"SELECT {chosen} FROM {table} WHERE {where}")
    return {name: _distribution(told[4 * i : 4 * i + 4], sample[name]) for i, name in enumerate(columns)}


def _distribution(told: Sequence[float | None], sample: np.ndarray) -> Distribution:
    values = np.ma.filled(np.ma.asarray(sample, dtype=np.float64), np.nan)
    values = values[np.isfinite(values)]
    if not told[0] or not len(values):
        return Distribution(0, np.nan, np.nan, np.nan, np.zeros(0))
    return Distribution(*told, values)


def courses(index: RowIndex, table: str, columns: Columns, counted: str = "") -> dict[str, Course]:
    """Numbers of a table in the order in which shards arrived.

    Args:
        index: of the dataset.
        table: whose numbers.
        columns: name to SQL of a number.
        counted: table whose rows are counted along, of the same shards; default: the table itself.
    """
    counted = counted or table
    quantiles = ", ".join(
        f"quantile_cont(({sql})::DOUBLE, [0.1, 0.5, 0.9]) FILTER (isfinite(({sql})::DOUBLE))"
        for sql in columns.values()
    )
    where = _CHOSEN.format(every=every(rows_of(index, table)))
    found = index.ask(
        f"{_PLACED.format(counted=counted, bins=BINS)}, "
        f"found AS (SELECT bin, {quantiles} FROM {table} JOIN placed USING (arrived) WHERE {where} GROUP BY bin) "
        "SELECT ends.upto, found.* EXCLUDE (bin) FROM ends LEFT JOIN found USING (bin) ORDER BY ends.bin"
    )
    upto = tuple(int(row[0]) for row in found)
    return {name: _course(upto, [row[i] for row in found]) for i, name in enumerate(columns, start=1)}


def _course(upto: tuple[int, ...], quantiles: Sequence[Sequence[float] | None]) -> Course:
    part = lambda i: tuple(None if three is None else three[i] for three in quantiles)  # noqa: E731
    return Course(upto, part(0), part(1), part(2))


def beyond(index: RowIndex, table: str, condition: str, limit: float = 0.0) -> int:
    """Rows of a table for which a condition holds; `$limit` in it stands for the limit."""
    values = {"limit": float(limit)} if "$limit" in condition else None
    return index.ask(f"SELECT count(*) FILTER ({condition}) FROM {table}", values)[0][0]


def refusals(index: RowIndex) -> list[Rule]:
    """By what rules rows were refused: step by step, the most frequent first."""
    found = index.ask(
        "SELECT stage, reason, count(*), median(value) FILTER (isfinite(value)), "
        "min(allowed) FILTER (isfinite(allowed)), max(allowed) FILTER (isfinite(allowed)) "
        "FROM refusals GROUP BY stage, reason ORDER BY sum(count(*)) OVER (PARTITION BY stage) DESC, stage, 3 DESC, 2"
    )
    return [Rule(stage or "", reason or "", *rest, (least, most)) for stage, reason, *rest, least, most in found]

"""Images of a choice a page at a time, and what stands beside one of them.

Places in the order are kept by key, never by number: what arrives meanwhile moves nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dashboard.rows.choice import Choice
from dashboard.rows.index import RowIndex
from dashboard.rows.spot import Spot

PAGE = 60
"""Images on a page: fills rows of 2, 3, 4, 5, 6, 10 and 12."""
MOST_OPTIONS = 400
"""Values of a filter that are offered, the most frequent ones."""
MOST_VIEWS = 24
"""Other images of a pose that are shown."""
_FACETS = {
    "environment": ("hdri",),
    "skin": ("skin_right", "skin_left"),
    "split": ("split",),
    "viewpoint": ("viewpoint",),
    "source": ("source",),
    "base_pose": ("base_pose",),
}
_CARD = "sample_id, shard, number, hdri, base_pose, least(visible_right, visible_left), contact_vertices"


@dataclass(frozen=True)
class Card:
    """An image in a list."""

    spot: Spot
    environment: str
    base_pose: str
    visible: float
    """Share that can be seen of the hand of which less can be seen."""
    contact: int
    """Vertices that touch the other hand."""


@dataclass(frozen=True)
class Shown:
    """A page of a choice."""

    cards: list[Card]
    total: int
    """Images of the whole choice."""
    first: int
    """How many of them stand before this page."""
    after: str
    """The sample at which the next page begins; empty: there is none."""

    @property
    def is_first(self) -> bool:
        """Whether nothing stands before it."""
        return self.first == 0


@dataclass(frozen=True)
class Beside:
    """Where a sample stands in a choice."""

    total: int
    place: int
    """How many stand before it."""
    belongs: bool
    """Whether the filters let it through."""
    previous: str
    next: str


def spot_of(index: RowIndex, sample_id: str) -> Spot | None:
    """Where a sample's row is; None when there is no such sample."""
    found = index.ask("SELECT sample_id, shard, number FROM samples WHERE sample_id = ? LIMIT 1", [sample_id])
    return Spot(*found[0]) if found else None


def shown(index: RowIndex, choice: Choice, start: str = "", before: str = "", most: int = PAGE) -> Shown:
    """The page that begins with the sample `start`, or ends before the sample `before`, or else the first one."""
    rows, after = _rows(index, choice, start, before, most)
    if before and len(rows) < most:  # the front of the order: the first page, whole
        rows, after = _rows(index, choice, "", "", most)
    total, first = _count(index, choice, rows[0][-1]) if rows else (0, 0)
    return Shown([Card(Spot(*row[:3]), *row[3:7]) for row in rows], total, first, after)


def _rows(index: RowIndex, choice: Choice, start: str, before: str, most: int) -> tuple[list[tuple], str]:
    """What a page's cards are made of, with the key at the end, and the sample that follows them."""
    where, values, order = choice.where, dict(choice.values), "key"
    mark = _key_of(index, choice, start or before) if start or before else None
    if mark is not None:
        values["mark"] = mark
        where += f" AND {choice.key} {'>=' if start else '<'} $mark"
        order = "key" if start else "key DESC"
    sql = f"SELECT {_CARD}, {choice.key} AS key FROM samples WHERE {where} ORDER BY {order} LIMIT {most + 1}"
    rows = index.ask(sql, values)
    if order == "key":
        return rows[:most], rows[most][0] if len(rows) > most else ""
    return rows[:most][::-1], before


def _key_of(index: RowIndex, choice: Choice, sample_id: str) -> int | None:
    values = {"id": sample_id} | ({"seed": choice.seed} if choice.order == "random" else {})
    found = index.ask(f"SELECT {choice.key} FROM samples WHERE sample_id = $id LIMIT 1", values)
    return found[0][0] if found else None


def _count(index: RowIndex, choice: Choice, mark: int) -> tuple[int, int]:
    """Images of the choice, and how many stand before a key."""
    sql = f"SELECT count(*), count(*) FILTER ({choice.key} < $mark) FROM samples WHERE {choice.where}"
    return index.ask(sql, choice.values | {"mark": mark})[0]


def beside(index: RowIndex, choice: Choice, sample_id: str) -> Beside | None:
    """Where a sample stands in a choice, whether it belongs to it or not; None when it is gone."""
    mark = _key_of(index, choice, sample_id)
    if mark is None:
        return None
    sql = f"""
        SELECT count(*), count(*) FILTER (key < $mark), count(*) FILTER (key = $mark),
            max_by(sample_id, key) FILTER (key < $mark), min_by(sample_id, key) FILTER (key > $mark)
        FROM (SELECT sample_id, {choice.key} AS key FROM samples WHERE {choice.where})
    """
    total, place, here, previous, following = index.ask(sql, choice.values | {"mark": mark})[0]
    return Beside(total, place, bool(here), previous or "", following or "")


def views_of(index: RowIndex, sample_id: str, most: int = MOST_VIEWS) -> list[Spot]:
    """Other images of a sample's pose, by name."""
    sql = """
        SELECT sample_id, shard, number FROM samples
        WHERE pose_id = (SELECT pose_id FROM samples WHERE sample_id = $id LIMIT 1) AND sample_id != $id
        ORDER BY sample_id LIMIT $most
    """
    return [Spot(*row) for row in index.ask(sql, {"id": sample_id, "most": most})]


def options(index: RowIndex) -> dict[str, list[str]]:
    """What each filter offers, in order of name; of many values the most frequent."""
    return {name: _options(index, columns) for name, columns in _FACETS.items()}


def _options(index: RowIndex, columns: Iterable[str]) -> list[str]:
    counts: dict[str, Any] = {}
    for column in columns:
        sql = f"SELECT {column}, count(*) FROM samples GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_OPTIONS}"
        for value, count in index.ask(sql):
            counts[value] = counts.get(value, 0) + count
    return sorted(sorted(counts, key=lambda value: (-counts[value], value))[:MOST_OPTIONS])

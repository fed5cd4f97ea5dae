"""What raters answered: one Parquet file a rater, written anew with every answer, and nothing in it is ever removed."""

import fcntl
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.rating.kinds import KindName
from dashboard.rating.names import is_name
from dashboard.rating.order import Turn
from dashboard.rating.study import Study
from dataset.atomic import atomic_file, explained
from dataset.errors import InputError

FOLDER = "answers"
_LONGEST_SECONDS = 3600.0
MOST_RATERS, MOST_ANSWERS = 1000, 20_000
"""Of a study, and of each rater; each answer writes the rater's file anew."""

Row = Mapping[str, Any]


def _field(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": description})


_COMMON = (
    _field("study", pa.string(), "name of the study"),
    _field("rater", pa.string(), "who answered"),
    _field("item", pa.string(), "id of the question in study.json"),
    _field("repeats", pa.string(), "id of the question that this one asks a second time; empty: none"),
    _field("position", pa.int32(), "place of the question in the rater's order, from 1"),
)
_PICTURES: Mapping[KindName, tuple[pa.Field, ...]] = {
    "naturalness": (
        _field("set", pa.string(), "set of the picture"),
        _field("sample", pa.string(), "its sample id, or the name of its file"),
    ),
    "preference": (
        _field("left_set", pa.string(), "set of the picture on the left"),
        _field("left_sample", pa.string(), "its sample id, or the name of its file"),
        _field("right_set", pa.string(), "set of the picture on the right"),
        _field("right_sample", pa.string(), "its sample id, or the name of its file"),
    ),
}
_ANSWER = (
    _field("answer", pa.string(), "natural or not_natural; left, right, both_good or both_bad"),
    _field("seconds", pa.float32(), "from the picture's appearance to the answer; empty in browsers without scripts"),
    _field("time", pa.timestamp("ms", tz="UTC"), "when the answer arrived"),
)
_PREFERRED = _field("preferred_set", pa.string(), "set of the picture that was chosen; empty: neither")


def schema(kind: KindName) -> pa.Schema:
    """Columns of the answers to a kind of study, each with a `description`: a row an answer, of which the newest counts."""
    chosen = (_PREFERRED,) if kind == "preference" else ()
    return pa.schema((*_COMMON, *_PICTURES[kind], _ANSWER[0], *chosen, *_ANSWER[1:]))


class Answers:
    """To one study."""

    def __init__(self, folder: Path, study: Study) -> None:
        """`folder` is the study's; nothing is read or written yet."""
        self._folder, self._study = folder / FOLDER, study
        self._schema = schema(study.kind)
        self._kept: dict[str, tuple[tuple[int, int, int], pa.Table]] = {}

    def raters(self) -> list[str]:
        """Who has answered, in order of name."""
        if not self._folder.is_dir():
            return []
        return sorted(path.stem for path in self._folder.glob("*.parquet") if is_name(path.stem))

    def of(self, rater: str) -> list[Row]:
        """All answers of a rater, in the order in which they were given; none of a rater that is not known.

        Raises:
            InputError: the file cannot be read, or holds something else.
        """
        return self.table(rater).to_pylist()

    def table(self, rater: str) -> pa.Table:
        """The same as a table, see `schema`; read again only when the file is another one."""
        path = self._path(rater)
        try:
            stat = path.stat()
            seen, kept = (stat.st_mtime_ns, stat.st_size, stat.st_ino), self._kept.get(rater)
            if kept is None or kept[0] != seen:
                kept = (seen, self._read(path))
                self._kept[rater] = kept
        except FileNotFoundError:
            return self._schema.empty_table()
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise InputError(
                f"{path}: is not a file of answers to this study ({' '.join(str(error).split())[:160]}); "
                "move it away or bring it back from a copy"
            ) from error
        return kept[1]

    def _read(self, path: Path) -> pa.Table:
        with path.open("rb") as file:
            return pq.read_table(file).select(self._schema.names).cast(self._schema)

    def add(self, rater: str, turn: Turn, position: int, answer: str, seconds: float | None) -> None:
        """Keep an answer; earlier ones to the same question stay.

        Args:
            rater: who answered.
            turn: the question as the rater saw it.
            position: of the question in the rater's order, from 1.
            answer: one of the answers of the study's kind.
            seconds: that it took, if they are known.

        Raises:
            InputError: the disk is full, the folder cannot be written, or the answers so far cannot be read.
        """
        row = self._row(rater, turn, position, answer, seconds)
        with self._alone():
            before = self.table(rater)
            if not len(before) and len(self.raters()) >= MOST_RATERS:
                raise InputError(f"This study has {MOST_RATERS} raters, which is as many as it takes.")
            if len(before) >= MOST_ANSWERS:
                raise InputError(f"{rater} has answered {MOST_ANSWERS:,} times, which is as often as a study takes.")
            rows = pa.concat_tables([before, pa.Table.from_pylist([row], schema=self._schema)])
            with atomic_file(self._path(rater)) as file:
                pq.write_table(rows.combine_chunks(), file, compression="zstd")

    def _row(self, rater: str, turn: Turn, position: int, answer: str, seconds: float | None) -> dict[str, Any]:
        study = self._study
        shown = [study.picture[name] for name in turn.pictures]
        sets = [study.sets[picture.set].name for picture in shown]
        columns = [field.name for field in _PICTURES[study.kind]]
        row = dict(
            zip(columns, (x for pair in zip(sets, shown, strict=True) for x in (pair[0], pair[1].sample)), strict=True)
        )
        if study.kind == "preference":
            row["preferred_set"] = {"left": sets[0], "right": sets[-1]}.get(answer)
        return row | {
            "study": study.name,
            "rater": rater,
            "item": turn.item.id,
            "repeats": turn.item.repeats,
            "position": position,
            "answer": answer,
            "seconds": None if seconds is None else min(max(seconds, 0.0), _LONGEST_SECONDS),
            "time": datetime.now(UTC),
        }

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time, of all tabs, threads and processes."""
        with explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / ".lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _path(self, rater: str) -> Path:
        if not is_name(rater):
            raise InputError("There is no rater of that name.")
        return self._folder / f"{rater}.parquet"


def newest(rows: Sequence[Row]) -> dict[str, Row]:
    """The answers that count, by question."""
    return {row["item"]: row for row in rows}


def as_parquet(tables: Sequence[pa.Table], kind: KindName) -> bytes:
    """All answers of all raters as one file."""
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables([schema(kind).empty_table(), *tables]), sink, compression="zstd")
    return sink.getvalue()


def as_csv(tables: Sequence[pa.Table], kind: KindName) -> bytes:
    """The same as comma-separated text; a text that spreadsheets would take for a formula begins with an apostrophe."""
    from pyarrow import compute, csv

    table, sink = pa.concat_tables([schema(kind).empty_table(), *tables]), io.BytesIO()
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            harmless = compute.replace_substring_regex(table[place], "^([=+@-])", "'\\1")
            table = table.set_column(place, field, harmless)
    csv.write_csv(table, sink)
    return sink.getvalue()

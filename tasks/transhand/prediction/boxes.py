"""Boxes around both hands, from a table that some detector or person has made."""

import csv
import math
from collections.abc import Collection
from pathlib import Path

from dataset.errors import InputError
from tasks.transhand.prediction.cutting import Box

COLUMNS = ("file", "x", "y", "width", "height")
_SHOWN = 3


def read_boxes(table: Path, names: Collection[str]) -> dict[str, Box]:
    """The boxes of a CSV file with the columns `file, x, y, width, height`: one for each picture, pixels.

    Args:
        table: UTF-8, commas, names of columns first; more columns do no harm.
        names: of the pictures.

    Raises:
        InputError: it cannot be read, a row cannot be used, or there are boxes without pictures or pictures without boxes.
    """
    found: dict[str, Box] = {}
    for number, row in _rows(table):
        name = row["file"]
        if name in found:
            raise InputError(f"{table}: line {number}: {name} has a box already; give one around both hands")
        found[name] = box_of([row[column] for column in COLUMNS[1:]], f"{table}: line {number} ({name})")
    _refuse_others(table, found.keys() - set(names), "has boxes for {} that are not there")
    _refuse_others(table, set(names) - found.keys(), "has no box for {}")
    return found


def box_of(words: list[str], where: str) -> Box:
    """A box from four numbers.

    Raises:
        InputError: they are none.
    """
    try:
        x, y, width, height = map(float, words)
    except (TypeError, ValueError):
        width = height = x = y = math.nan
    if not (all(map(math.isfinite, (x, y, width, height))) and width > 0 and height > 0):
        raise InputError(f"{where}: {words} is no box; give x, y, width and height in pixels, the last two above 0")
    return x, y, width, height


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read; give boxes as CSV, UTF-8 ({', '.join(COLUMNS)})") from error
    if lacking := [name for name in COLUMNS if name not in columns]:
        raise InputError(f"{table}: has no column {', '.join(lacking)}; give {', '.join(COLUMNS)}")
    return rows


def _refuse_others(table: Path, names: Collection[str], sentence: str) -> None:
    if names:
        shown = ", ".join(map(str, sorted(names, key=str)[:_SHOWN]))
        what = sentence.format(f"{len(names)} pictures ({shown})")
        raise InputError(f"{table}: {what}; give one row for each picture, named by its path in the folder")

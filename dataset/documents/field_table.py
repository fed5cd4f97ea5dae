"""Columns as a Markdown table: in `docs/schema.md` and in each dataset card."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import pyarrow as pa

from dataset.schema import Column, columns, is_group, is_picture

HEADINGS = ("column", "type", "shape", "unit", "meaning")
_NUMBERS = 3
"""How many numbers of a vector are shown."""
_LETTERS = 24


def field_table(fields: Iterable[pa.Field], example: Mapping[str, Any] | None = None) -> str:
    """A table of every column: name, type, shape, unit, meaning, and its value in the row `example` when that is given."""
    headings = [*HEADINGS, *(["example"] if example else [])]
    rows = [_cells(column) + ([_example(column, example)] if example else []) for column in columns(fields)]
    return "\n".join([_line(headings), "|---" * len(headings) + "|", *map(_line, rows), ""])


def _cells(column: Column) -> list[str]:
    return [f"`{column.name}`", column.type, " × ".join(column.shape), column.unit, column.meaning]


def _example(column: Column, row: Mapping[str, Any]) -> str:
    if is_group(column.field):
        return ""
    value = reduce(lambda cell, name: cell and cell.get(name), column.name.split("."), row)
    return "a picture" if value is None and is_picture(column.field) else shown(value)


def shown(value: Any) -> str:
    """A value in a few letters: four digits of a number, the first numbers of a vector."""
    if isinstance(value, list):
        rest = ", …" if len(value) > _NUMBERS else ""
        return ", ".join(map(shown, value[:_NUMBERS])) + rest
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return f"`{value if len(value) <= _LETTERS else value[:_LETTERS] + '…'}`" if value else "empty"
    return "empty" if value is None else str(value)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

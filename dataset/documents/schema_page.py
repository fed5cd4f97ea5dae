"""The tables in words, generated from the schema: `docs/schema.md` and part of each dataset card.

Rewrite the page after a change of the schema with `python -m dataset.documents.schema_page`.
"""

from pathlib import Path

import pyarrow as pa

from dataset.atomic import atomic_write
from dataset.schema import IMAGES, PLAN, POSES, REJECTED, description, is_picture

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"

_INTRODUCTION = """# Tables of a dataset

A dataset is a directory of Parquet files. Lengths are metres, angles radians, unless a name ends in a unit. Camera axes
are OpenCV's (x right, y down, z forward) and `x_cam = R · x_world + t`; matrices are stored row by row. Pixel (0, 0)
covers the square [0, 1) × [0, 1). The 21 joints are the wrist, then thumb, index, middle, ring and pinky, each from its
root to its tip. A dot in a name opens a group: `camera.K` is the field `K` of the column `camera`.

This page is generated from `dataset/schema.py`.
"""

_TABLES = (
    ("images", IMAGES, "One row per image: the dataset itself."),
    ("poses", POSES, "One row per accepted two-hand pose, in the world frame."),
    ("plan", PLAN, "One row per image to be rendered. Every random choice is made here, before the first pixel."),
    ("rejected", REJECTED, "One row per refused pose, with the rule that it broke."),
)


def schema_page() -> str:
    """The text of `docs/schema.md`."""
    sections = [f"## {name}\n\n{about}\n\n{columns_table(schema)}" for name, schema, about in _TABLES]
    return "\n".join([_INTRODUCTION, *sections])


def columns_table(schema: pa.Schema) -> str:
    """A Markdown table of every column of a table: name, type, meaning."""
    rows = [line for field in schema for line in _lines(field, "")]
    return "\n".join(["| column | type | meaning |", "|---|---|---|", *rows, ""])


def _lines(field: pa.Field, prefix: str) -> list[str]:
    name = prefix + field.name
    group = pa.types.is_struct(field.type) and not is_picture(field)
    line = f"| `{name}` | {_type_name(field)} | {description(field)} |"
    return [line, *(inner for child in field.type for inner in _lines(child, name + "."))] if group else [line]


def _type_name(field: pa.Field) -> str:
    if is_picture(field):
        return "image"
    if pa.types.is_struct(field.type):
        return "group"
    if pa.types.is_fixed_size_list(field.type):
        return f"{_number_name(field.type.value_type)}[{field.type.list_size}]"
    if pa.types.is_list(field.type):
        return f"list of {_number_name(field.type.value_type)}"
    return _number_name(field.type)


def _number_name(kind: pa.DataType) -> str:
    return {"float": "float32", "double": "float64", "string": "text"}.get(str(kind), str(kind))


if __name__ == "__main__":
    atomic_write(PAGE, schema_page())

"""The tables in words, generated from the schema: `docs/schema.md`.

Rewrite the page after a change of the schema with `python -m dataset.documents.schema_page`.
"""

from pathlib import Path

import pyarrow as pa

from dataset.atomic import atomic_write
from dataset.documents.example import read_example
from dataset.documents.field_table import field_table
from dataset.schema import IMAGES, PLAN, POSES, REJECTED, RULE, VERSION

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"

CONVENTIONS = """Camera axes are OpenCV's (x right, y down, z forward) and `x_cam = R · x_world + t`; matrices and arrays are
stored row by row. Pixel (0, 0) covers the square [0, 1) × [0, 1). The 21 joints are the wrist, then thumb, index, middle, ring
and pinky, each from its root to its tip. A dot in a name opens a group: `camera.K` is the field `K` of the column `camera`.
The unit is what a stored 1 stands for; `1` marks counts, shares and other numbers without dimension, `none` what is no
quantity."""
"""How to read a table of columns."""

ABOUT = {
    "images": "One row per image: the dataset itself.",
    "poses": "One row per accepted two-hand pose, in the world frame.",
    "plan": "One row per image to be rendered. Every random choice is made here, before the first pixel.",
    "rejected": "One row per pose, view or image that was refused, with the rule that it broke.",
}
"""Table to a sentence about its rows."""

_PAGE = """# Tables of a dataset

A dataset is a directory of Parquet files.

{conventions}

Each Parquet file carries the same facts: the metadata of a field its `description`, `unit`, `shape` and allowed `values`, the
metadata of the file the `huggingface` features and `render_ih_schema`, the version of the tables.

The examples are one sample of a small run; the row of `rejected` is another pose of that run.

This page is generated from `dataset/schema/`.

## Version

This is version {version} of the tables, MAJOR.MINOR.

{rule}

{tables}"""


def schema_page() -> str:
    """The text of `docs/schema.md`."""
    example = read_example()
    schemas: dict[str, pa.Schema] = {"images": IMAGES, "poses": POSES, "plan": PLAN, "rejected": REJECTED}
    sections = [
        f"## {name}\n\n{ABOUT[name]}\n\n{field_table(schema, example[name])}" for name, schema in schemas.items()
    ]
    return _PAGE.format(conventions=CONVENTIONS, version=VERSION, rule=RULE, tables="\n".join(sections))


if __name__ == "__main__":
    atomic_write(PAGE, schema_page())

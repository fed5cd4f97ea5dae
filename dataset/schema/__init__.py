"""The tables of a dataset: every column with its type, shape, unit and meaning, declared once.

From this come the Parquet schemas, the Hugging Face features, the dataset card, `croissant.json` and `docs/schema.md`.
Conventions: metres and radians unless a unit says otherwise; OpenCV camera axes, `x_cam = R · x_world + t`; matrices row
by row; pixel (0, 0) covers [0, 1) × [0, 1); the 21 joints in the order of `hands.joints.JOINTS_21`.

The rule for change: a new column that may be empty raises the minor version, anything else the major one; a program reads
its own major version up to its own minor one (`version.RULE`).
"""

from dataset.schema.columns import Column, columns, leaf_columns
from dataset.schema.features import hugging_face_features
from dataset.schema.fields import (
    Unit,
    allowed_values,
    description,
    is_group,
    is_optional,
    is_picture,
    shape_of,
    unit_of,
)
from dataset.schema.tables import IDS, IMAGES, PLAN, POSES, REJECTED, TABLES
from dataset.schema.version import RULE, VERSION

__all__ = [
    "IDS",
    "IMAGES",
    "PLAN",
    "POSES",
    "REJECTED",
    "RULE",
    "TABLES",
    "VERSION",
    "Column",
    "Unit",
    "allowed_values",
    "columns",
    "description",
    "hugging_face_features",
    "is_group",
    "is_optional",
    "is_picture",
    "leaf_columns",
    "shape_of",
    "unit_of",
]

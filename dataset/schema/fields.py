"""What a column is made of: an Arrow field whose metadata says what its numbers mean.

Metadata of a field, all text: `description`, `unit` (a `Unit`), `shape` (lengths from the outermost, with commas; scalars
and groups have none), `values` (JSON: allowed value, or range of values, to its meaning), `kind` (`image`: an encoded
picture), `optional` (`yes`: may be empty).
"""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import prod

import pyarrow as pa

TEXT, INT8, INT16, INT32, INT64 = pa.string(), pa.int8(), pa.int16(), pa.int32(), pa.int64()
FLOAT32, FLOAT64 = pa.float32(), pa.float64()

ANY = "n"
"""Length, in a shape, of a list that may be of any."""
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An encoded picture as Hugging Face stores it."""


class Unit(StrEnum):
    """What a stored number of 1 stands for."""

    METRE = "m"
    MILLIMETRE = "mm"
    DEPTH_STEP = "0.1 mm"
    RADIAN = "rad"
    DEGREE = "degrees"
    PIXEL = "px"
    STOP = "stops"
    SECOND = "s"
    ONE = "1"
    """A count, a share, or a number without dimension."""
    VARIES = "varies"
    """The unit of what another column names."""
    NONE = "none"
    """Names, groups, pictures of colours, and numbers that only tell things apart."""


def column(name: str, kind: pa.DataType, unit: Unit, about: str, values: Mapping[str, str] | None = None) -> pa.Field:
    """A column of single values."""
    return _field(name, kind, unit, about, values=values)


def vector(
    name: str,
    shape: tuple[int, ...],
    unit: Unit,
    about: str,
    kind: pa.DataType = FLOAT32,
    values: Mapping[str, str] | None = None,
) -> pa.Field:
    """A column of arrays of that shape, stored flat, row by row."""
    return _field(name, pa.list_(kind, prod(shape)), unit, about, shape, values)


def numbers(name: str, unit: Unit, about: str, kind: pa.DataType) -> pa.Field:
    """A column of lists of any length."""
    return _field(name, pa.list_(kind), unit, about, (ANY,))


def group(name: str, about: str, *fields: pa.Field) -> pa.Field:
    """Columns under one name."""
    return _field(name, pa.struct(fields), Unit.NONE, about)


def picture(
    name: str,
    about: str,
    unit: Unit = Unit.NONE,
    channels: int = 1,
    values: Mapping[str, str] | None = None,
    optional: bool = False,
) -> pa.Field:
    """A column of encoded pictures; the mark makes it an `Image` feature."""
    shape = ("height", "width") if channels == 1 else ("height", "width", channels)
    return _field(
        name, PICTURE, unit, about, shape, values, {"kind": "image"} | ({"optional": "yes"} if optional else {})
    )


def _field(
    name: str,
    kind: pa.DataType,
    unit: Unit,
    about: str,
    shape: Iterable[int | str] = (),
    values: Mapping[str, str] | None = None,
    marks: Mapping[str, str] | None = None,
) -> pa.Field:
    metadata = {"description": about, "unit": str(unit)}
    metadata |= {"shape": ",".join(map(str, shape))} if shape else {}
    metadata |= {"values": json.dumps(values, ensure_ascii=False)} if values else {}
    return pa.field(name, kind, metadata=metadata | dict(marks or {}))


def is_optional(field: pa.Field) -> bool:
    """Whether a column may be empty: labels that a run writes only when asked to."""
    return _entry(field, "optional") == "yes"


def is_picture(field: pa.Field) -> bool:
    """Whether a column holds encoded images."""
    return _entry(field, "kind") == "image"


def is_group(field: pa.Field) -> bool:
    """Whether a column only holds other columns together."""
    return pa.types.is_struct(field.type) and not is_picture(field)


def description(field: pa.Field) -> str:
    """The sentence that explains a column."""
    return _entry(field, "description")


def unit_of(field: pa.Field) -> Unit:
    """What a stored number of 1 stands for.

    Raises:
        ValueError: the column names no unit, or an unknown one.
    """
    return Unit(_entry(field, "unit"))


def shape_of(field: pa.Field) -> tuple[str, ...]:
    """Lengths from the outermost: numbers, `n` for any, or `height` and `width`; none for scalars and groups."""
    shape = _entry(field, "shape")
    return tuple(shape.split(",")) if shape else ()


def allowed_values(field: pa.Field) -> dict[str, str]:
    """Value, or range of values ("1–16"), to its meaning; empty for columns whose values are free."""
    return json.loads(_entry(field, "values") or "{}")


def _entry(field: pa.Field, name: str) -> str:
    return (field.metadata or {}).get(name.encode(), b"").decode()

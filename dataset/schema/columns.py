"""The columns of a table one by one, groups opened: what every document about a dataset lists."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from dataset.schema.fields import Unit, allowed_values, description, is_group, is_picture, shape_of, unit_of

_NAMES = {"float": "float32", "double": "float64", "string": "text"}
"""What Arrow calls a type to what we do."""


@dataclass(frozen=True)
class Column:
    """One column, as a document shows it."""

    name: str
    """With the groups that it is in: `camera.K`."""
    field: pa.Field

    @property
    def unit(self) -> Unit:
        """What a stored number of 1 stands for."""
        return unit_of(self.field)

    @property
    def shape(self) -> tuple[str, ...]:
        """Lengths from the outermost; none for scalars and groups."""
        return shape_of(self.field)

    @property
    def type(self) -> str:
        """The stored type in words: `float32[63]`, `list of int16`, `text`, `image`, `group`."""
        kind = self.field.type
        if is_picture(self.field):
            return "image"
        if pa.types.is_struct(kind):
            return "group"
        if pa.types.is_fixed_size_list(kind):
            return f"{_name(kind.value_type)}[{kind.list_size}]"
        return f"list of {_name(kind.value_type)}" if pa.types.is_list(kind) else _name(kind)

    @property
    def meaning(self) -> str:
        """The sentence that explains it, with the values that need an explanation."""
        values = [f"{value} {about}" for value, about in allowed_values(self.field).items() if about]
        return description(self.field) + (f": {', '.join(values)}" if values else "")


def columns(fields: Iterable[pa.Field], prefix: str = "") -> Iterator[Column]:
    """Every column of a table or group in order, a group before what it holds."""
    for field in fields:
        yield Column(prefix + field.name, field)
        if is_group(field):
            yield from columns(field.type, f"{prefix}{field.name}.")


def leaf_columns(schema: pa.Schema, with_pictures: bool = False) -> list[str]:
    """Dotted names of all columns that hold values, to read a table without its pictures."""
    leaves = (column for column in columns(schema) if not is_group(column.field))
    return [leaf.name for leaf in leaves if with_pictures or not is_picture(leaf.field)]


def _name(kind: pa.DataType) -> str:
    return _NAMES.get(str(kind), str(kind))

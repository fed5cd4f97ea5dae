"""Columns as the features of Hugging Face's `datasets`."""

from collections.abc import Iterable

import pyarrow as pa

from dataset.schema.fields import is_picture


def hugging_face_features(fields: Iterable[pa.Field]) -> dict:
    """The features dictionary that `datasets` reads, for every column."""
    return {field.name: _feature(field) for field in fields}


def _feature(field: pa.Field) -> dict:
    if is_picture(field):
        return {"_type": "Image"}
    if pa.types.is_struct(field.type):
        return hugging_face_features(tuple(field.type))
    if pa.types.is_fixed_size_list(field.type):
        # "Sequence" is what every version reads; "List" only those from 4.0.
        return {"feature": _value(field.type.value_type), "length": field.type.list_size, "_type": "Sequence"}
    if pa.types.is_list(field.type):
        return {"feature": _value(field.type.value_type), "length": -1, "_type": "Sequence"}
    return _value(field.type)


def _value(kind: pa.DataType) -> dict:
    """Arrow prints `float` and `double` where Hugging Face says float32 and float64."""
    return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}

"""Columns of Arrow tables as NumPy arrays, groups opened."""

import numpy as np
import pyarrow as pa


def flattened(content: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Columns by dotted name, groups opened."""
    while any(pa.types.is_struct(field.type) for field in content.schema):
        content = content.flatten()
    return dict(zip(content.column_names, content.columns, strict=True))


def column_array(column: pa.ChunkedArray) -> np.ndarray:
    """A column as NumPy: (rows,) or, for vectors, (rows, length); lists must be equally long."""
    if not (pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type)):
        return column.to_numpy()
    values = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type).to_numpy()
    length = column.type.list_size if pa.types.is_fixed_size_list(column.type) else len(values) // max(len(column), 1)
    return values.reshape(len(column), length)

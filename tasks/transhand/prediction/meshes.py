"""Predicted hands as OBJ files, which every 3D program opens."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from dataset.atomic import atomic_write
from dataset.columns import column_array, flattened
from hands.joints import Side
from tasks.progress import bar
from tasks.transhand.prediction.folder import file_stem

_ROWS = 64
_HEAD = (
    "# metres; camera axes: x right, y down, z forward; origin: the middle MCP of the left hand of the same picture\n"
)


def write_meshes(folder: Path, table: Path, faces: Mapping[Side, Int[np.ndarray, "f 3"]]) -> None:
    """Write NAME_right.obj and NAME_left.obj for each row of a table of predictions.

    Raises:
        InputError: the folder cannot be written.
    """
    triangles = {side: "".join(f"f {a} {b} {c}\n" for a, b, c in (faces[side] + 1).tolist()) for side in Side}
    columns = ["sample_id", *(f"{side}.vertices" for side in Side)]
    with pq.ParquetFile(table) as file, bar("writing meshes", file.metadata.num_rows, "pictures") as advance:
        for batch in file.iter_batches(_ROWS, columns=columns):
            part = flattened(pa.Table.from_batches([batch]))
            stems = [folder / file_stem(name) for name in part["sample_id"].to_pylist()]
            for side in Side:
                every = column_array(part[f"{side}.vertices"]).reshape(len(stems), -1, 3)
                for stem, vertices in zip(stems, every, strict=True):
                    points = "".join(f"v {x:.7f} {y:.7f} {z:.7f}\n" for x, y, z in vertices.tolist())
                    atomic_write(stem.with_name(f"{stem.name}_{side}.obj"), _HEAD + points + triangles[side])
            advance(len(stems))

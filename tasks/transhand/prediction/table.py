"""Predictions as a table, a row a picture: what `render-ih evaluate transhand --predictions` reads, and more."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dataset.atomic import atomic_file
from dataset.errors import InputError
from hands.joints import JOINTS_21, Side
from tasks.transhand.prediction.cutting import Square
from tasks.transhand.prediction.predictor import SeenHand, SeenHands

PLAUSIBLE = (0.4, 1.2)
"""Share of the square's side that two hands take which a box has led to; in training about 0.8. Our choice."""


class Looked(NamedTuple):
    """What a row says of its picture besides the hands."""

    name: str
    size: tuple[int, int]
    """Width and height, pixels."""
    square: Square
    """What of it the network has seen."""
    is_boxed: bool
    """See `pictures.Picture`."""


def schema_of(vertices: int) -> pa.Schema:
    """The columns for hands of so many vertices; `docs/transhand.md` describes them."""
    lengths = {"vertices": 3 * vertices, "joints_3d": 3 * len(JOINTS_21)}
    lengths |= {"vertices_2d": 2 * vertices, "joints_2d": 2 * len(JOINTS_21), "camera": 3}
    hand = pa.struct([pa.field(name, _numbers(length)) for name, length in lengths.items()])
    about = {"width": pa.int32(), "height": pa.int32(), "square": _numbers(3), "is_boxed": pa.bool_()}
    about |= {"fill": pa.float32(), "is_plausible": pa.bool_()}
    return pa.schema({"sample_id": pa.string(), **about, **{str(side): hand for side in Side}})


def table_of(looked: Sequence[Looked], seen: SeenHands) -> pa.Table:
    """A row for each picture.

    Raises:
        InputError: the network's answer is no number.
    """
    squares = torch.tensor([one.square for one in looked])
    fill = filled(seen, squares[:, 2])
    columns = {
        "sample_id": pa.array([one.name for one in looked], pa.string()),
        "width": pa.array([one.size[0] for one in looked], pa.int32()),
        "height": pa.array([one.size[1] for one in looked], pa.int32()),
        "square": _lists(squares),
        "is_boxed": pa.array([one.is_boxed for one in looked], pa.bool_()),
        "fill": pa.array(fill.cpu().numpy(), pa.float32()),
        "is_plausible": pa.array(is_plausible(seen, fill).cpu().numpy()),
    }
    columns |= {str(side): _hand([one.name for one in looked], seen.side(side)) for side in Side}
    return pa.table(columns)


def filled(seen: SeenHands, side: Float[Tensor, "b"]) -> Float[Tensor, "b"]:
    """Longer side of the box around both hands, as their cameras show them, over the side of the square (pixels)."""
    places = torch.cat([hand.in_picture(hand.vertices) for hand in seen], dim=1)
    return (places.amax(1) - places.amin(1)).amax(1) / side.to(places)


def is_plausible(seen: SeenHands, fill: Float[Tensor, "b"]) -> Bool[Tensor, "b"]:
    """Whether hands fill the square about as those in training do, and neither is seen mirrored.

    No detector: the network sees hands in whatever it is shown.
    """
    upright = torch.stack([hand.camera[:, 0] > 0 for hand in seen]).all(0)
    return (fill >= PLAUSIBLE[0]) & (fill <= PLAUSIBLE[1]) & upright


def write_table(file: Path, parts: Iterator[pa.Table], schema: pa.Schema) -> int:
    """Write tables that follow each other as one Parquet file, one in memory at a time; how many rows they have.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    rows = 0
    with atomic_file(file) as target, pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for part in parts:
            writer.write_table(part.cast(schema))
            rows += len(part)
    return rows


def _hand(names: Sequence[str], hand: SeenHand) -> pa.StructArray:
    columns = {
        "vertices": hand.vertices,
        "joints_3d": hand.joints_3d,
        "vertices_2d": hand.in_picture(hand.vertices),
        "joints_2d": hand.in_picture(hand.joints_3d),
        "camera": hand.camera,
    }
    for values in columns.values():
        if wrong := (~values.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist():
            raise InputError(f"{names[wrong[0]]}: the network's answer is no number; take another checkpoint")
    arrays = [_lists(values.flatten(1)) for values in columns.values()]
    return pa.StructArray.from_arrays(arrays, list(columns))


def _numbers(length: int) -> pa.DataType:
    return pa.list_(pa.float32(), length)


def _lists(values: Float[Tensor, "b n"]) -> pa.FixedSizeListArray:
    flat = np.ascontiguousarray(values.float().cpu().numpy()).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), values.shape[1])

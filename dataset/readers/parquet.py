"""Any Parquet file or folder of two-hand poses: the `poses` table of a dataset, or what another tool wrote.

Columns `right` and `left`, each a group {global_orient[3], hand_pose[45], betas[10], transl[3]} of lists: radians, metres,
full axis-angle, one frame for both hands with z up. A column `pose_id` names the rows; others are not read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataset.readers.checks import angles, entry, mapping, metres, shape
from dataset.readers.frame import Fault, Frame, PlacedHand, Refusal, attempt
from dataset.readers.places import not_there
from hands.joints import Side
from hands.model import HandModel

_ROWS = 256


def files(folder: Path, subset: str) -> dict[str, Path]:
    """The file itself, or the `*.parquet` files of the folder or of its `poses`; the subset plays no part.

    Raises:
        InputError: there is none.
    """
    if folder.is_file():
        return {folder.name: folder}
    found = sorted(folder.glob("*.parquet")) or sorted((folder / "poses").glob("*.parquet"))
    if not found:
        raise not_there(folder, "Parquet file (*.parquet, or poses/*.parquet)")
    return {path.name: path for path in found}


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[Frame | Fault]:
    """Every row of every file."""
    for file, path in files(folder, subset).items():
        try:
            yield from _read_file(path)
        except Refusal as refusal:
            yield refusal.fault(file, file)


def _read_file(path: Path) -> Iterator[Frame | Fault]:
    number = 0
    for batch in _batches(path):
        for row in batch.to_pylist():
            name = row_name(row.get("pose_id"), f"{path.stem}-{number:06d}")
            hands = attempt(name, path.name, lambda r=row, i=number: _hands(r, f"[{i}]"))
            yield hands if isinstance(hands, Fault) else Frame(name, path.name, hands)
            number += 1


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for side in Side:
                if side not in names:
                    raise Refusal(str(side), "missing key")
            yield from file.iter_batches(_ROWS, columns=[name for name in (*Side, "pose_id") if name in names])
    except (pa.ArrowException, OSError) as error:
        raise Refusal("", "unreadable file") from error


def row_name(pose_id: object, otherwise: str) -> str:
    """The row's id with nothing in it that a file name cannot hold."""
    return re.sub(r"[^\w.+=-]", "_", pose_id, flags=re.ASCII) if isinstance(pose_id, str) and pose_id else otherwise


def _hands(row: dict, where: str) -> dict[Side, PlacedHand]:
    for side in Side:
        if row[side] is None:
            raise Refusal(f"{where}.{side}", "missing hand")
    return {side: _hand(row[side], f"{where}.{side}") for side in Side}


def _hand(value: object, where: str) -> PlacedHand:
    values = mapping(value, where)
    take = lambda read_one, key, *length: read_one(entry(values, key, where), f"{where}.{key}", *length)  # noqa: E731
    return PlacedHand(
        hand_pose=take(angles, "hand_pose", 45),
        betas=take(shape, "betas"),
        global_orient=take(angles, "global_orient", 3),
        transl=take(metres, "transl"),
    )

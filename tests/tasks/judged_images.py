"""Rendered-looking images in two splits, and predictions for them as a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hands.joints import Side
from models.two_hand_metrics.measuring import TwoHands
from tasks.transhand.evaluation.truth import Bodies, TruthBatch, Wanted, open_images, truth_batches
from tests.dataset.synthetic import make_sample, write_dataset

NAMES = ["000000-0", "000001-0", "000002-0"]
"""Images of the split test; two more are of train. The hands of the first two touch, those of the third are apart."""
_POINTS = {"vertices": "vertices", "joints_3d": "joints"}


def write_images(folder: Path, hands: dict) -> Path:
    """A dataset."""
    samples = [make_sample(number, hands, 96, 72) for number in range(5)]
    for number, sample in enumerate(samples):
        for row in sample.values():
            row["split"] = "test" if number < len(NAMES) else "train"
    return write_dataset(folder, samples, rows_per_shard=2).folder


def truth_of(dataset: Path, bodies: Bodies) -> TruthBatch:
    """All images of the split test."""
    (truth,) = truth_batches(open_images(Wanted(str(dataset), "test"), bodies.models, dataset), bodies)
    return truth


def columns_of(hands: TwoHands, kinds: Sequence[str] = ("vertices",), names: Sequence[str] = NAMES) -> dict[str, list]:
    """Columns of a predictions file."""
    columns = {"sample_id": list(names)}
    for side in Side:
        for kind in kinds:
            points = getattr(getattr(hands, side), _POINTS[kind])
            columns[f"{side}.{kind}"] = points.flatten(1).tolist()
    return columns


def write_predictions(path: Path, columns: Mapping[str, list], nested: bool = False) -> Path:
    """The file; nested: hands as groups of columns, as a dataset has them."""
    if nested:
        rows = range(len(columns["sample_id"]))
        group = lambda side, row: {  # noqa: E731
            name.split(".")[1]: values[row] for name, values in columns.items() if name.startswith(f"{side}.")
        }
        columns = {"sample_id": columns["sample_id"]} | {side: [group(side, row) for row in rows] for side in Side}
    pq.write_table(pa.table(dict(columns)), path)
    return path

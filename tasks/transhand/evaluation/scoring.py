"""A method judged on every image: sums for the tables, and the numbers of each image."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from dataset.errors import InputError
from models.two_hand_metrics.alignment import is_known
from models.two_hand_metrics.measuring import HandPoints, Measured, TwoHands, measured
from models.two_hand_metrics.occlusion import Bins
from models.two_hand_metrics.tally import Tallies, tallied, together
from tasks.transhand.evaluation.methods import Answer, Method
from tasks.transhand.evaluation.truth import TruthBatch


@dataclass
class Scores:
    """What is found so far."""

    bins: Bins
    overall: Tallies = field(default_factory=dict)
    by_bin: list[Tallies] = field(init=False)
    """In the order of the bins' labels."""
    images: Counter[int] = field(default_factory=Counter)
    """Images with an answer by number of their bin; -1: of none."""
    missing: list[str] = field(default_factory=list)
    """Images without an answer."""
    each: list[pa.Table] = field(default_factory=list)
    """A row an image."""

    def __post_init__(self) -> None:
        self.by_bin = [{} for _ in self.bins.labels]

    def add(self, truth: TruthBatch, answer: Answer) -> Measured:
        """Judge a batch; gives the numbers of each image that has an answer.

        Raises:
            InputError: a predicted coordinate is no number.
        """
        names, rows = truth.images.sample_ids, answer.rows
        self.missing += [names[row] for row in sorted(set(range(len(names))) - set(rows))]
        found = self._measured([names[row] for row in rows], answer.hands, truth, rows) if rows else {}
        iou = truth.iou.cpu()
        self.overall = together(self.overall, tallied(found))
        of = self.bins.of(iou[rows])
        self.images += Counter(of.tolist())
        for number in range(len(self.by_bin)):
            part = {name: values[of == number] for name, values in found.items()}
            self.by_bin[number] = together(self.by_bin[number], tallied(part))
        self.each.append(_table(names, rows, iou, found))
        return found

    def _measured(self, names: list[str], predicted: TwoHands, truth: TruthBatch, rows: list[int]) -> Measured:
        true = truth.hands.map(lambda points: points[rows])
        for side in ("right", "left"):
            _refuse_no_numbers(names, side, getattr(predicted, side), getattr(true, side))
        return {name: values.cpu() for name, values in measured(predicted, true).items()}

    @property
    def table(self) -> pa.Table:
        """All rows; what one of them has not is null."""
        return pa.concat_tables(self.each, promote_options="default")


def scored(
    batches: Iterable[TruthBatch],
    method: Method,
    bins: Bins,
    allow_missing: bool = False,
    on_images: Callable[[int], None] = lambda count: None,
    on_answer: Callable[[TruthBatch, Answer, Measured], None] = lambda truth, answer, found: None,
) -> Scores:
    """Judge a method on all batches.

    Args:
        batches: what it is judged on.
        method: what is judged.
        bins: classes of occlusion.
        allow_missing: whether it may have no answer for an image.
        on_images: hears how many images were just judged.
        on_answer: hears what is true of a batch, what the method says, and the numbers of each image that has an answer.

    Raises:
        InputError: an answer is missing and must not be, a predicted coordinate is no number, or none was predicted.
    """
    scores = Scores(bins)
    for truth in batches:
        answer = method(truth.images)
        found = scores.add(truth, answer)
        if scores.missing and not allow_missing:
            lacking = len(truth.images) - len(answer.rows)
            raise InputError(
                f"there is no prediction for {scores.missing[0]} (and {lacking - 1} more of {len(truth.images)} images "
                "beside it); all images of the split count: add them, or give --allow-missing, which the table then tells"
            )
        on_answer(truth, answer, found)
        on_images(len(truth.images))
    if not scores.overall:
        raise InputError(
            "there is a prediction for none of the images; the sample_id of each row must be that of an image"
        )
    return scores


def _refuse_no_numbers(names: list[str], side: str, predicted: HandPoints, true: HandPoints) -> None:
    for found, wanted in ((predicted.joints, true.joints), (predicted.vertices, true.vertices)):
        if found is None:
            continue
        wrong = (is_known(wanted) & ~is_known(found)).nonzero()[:, 0].tolist()
        if wrong:
            raise InputError(
                f"the predicted {side} hand of {names[wrong[0]]} (and of {len(wrong) - 1} images beside it) has a "
                "coordinate that is no number; mend it, or leave the row out and give --allow-missing"
            )


def _table(names: list[str], rows: list[int], iou: Float[Tensor, "b"], found: Measured) -> pa.Table:
    predicted = np.zeros(len(names), dtype=bool)
    predicted[rows] = True
    columns = {"sample_id": pa.array(names, pa.string()), "predicted": pa.array(predicted), "iou": _array(iou)}
    for name, values in found.items():
        filled = torch.full((len(names), *values.shape[1:]), torch.nan, dtype=values.dtype)
        filled[rows] = values
        columns[name] = _array(filled)
    return pa.table(columns)


def _array(values: Float[Tensor, "b *n"]) -> pa.Array:
    """float32; what is no number is null."""
    flat = pa.array(values.flatten().float().numpy(), from_pandas=True)
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

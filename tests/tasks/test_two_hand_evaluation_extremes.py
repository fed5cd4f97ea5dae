"""The images in which a method errs least and most: which they are, and that hands are drawn where they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.training.augmentation import Augmentation, crop, draw
from dataset.training.resample import resampled
from models.two_hand_metrics.measuring import HandPoints, TwoHands, measured
from tasks.transhand.evaluation.evaluate import Evaluation, evaluate
from tasks.transhand.evaluation.extremes import ERROR, Extremes
from tasks.transhand.evaluation.methods import Answer
from tasks.transhand.evaluation.truth import Bodies, TruthBatch
from tasks.transhand.pictures import SMALLEST, painted_over
from tests.tasks.judged_images import NAMES, columns_of, truth_of, write_images, write_predictions


@pytest.fixture(scope="module")
def bodies(hands) -> Bodies:
    return Bodies.of(hands)


@pytest.fixture(scope="module")
def place(tmp_path_factory, hands) -> Path:
    return write_images(tmp_path_factory.mktemp("judged") / "set", hands)


@pytest.fixture(scope="module")
def truth(place, bodies) -> TruthBatch:
    return truth_of(place, bodies)


def scaled(hands: TwoHands, factors: list[float]) -> TwoHands:
    """The error of an image grows with the distance of its factor from 1."""
    return hands.map(lambda points: points * torch.tensor(factors)[:, None, None].to(points))


def looked_at(truth: TruthBatch, bodies: Bodies, predicted: TwoHands, most: int) -> Extremes:
    extremes = Extremes(bodies, most)
    extremes.add(truth, Answer([0, 1, 2], predicted), measured(predicted, truth.hands))
    return extremes


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_smallest_and_the_largest_errors_are_kept_in_their_order(truth, bodies, most):
    found = looked_at(truth, bodies, scaled(truth.hands, [1.2, 1.0, 1.1]), most)
    assert [seen.name for seen in found.best] == [NAMES[row] for row in (1, 2, 0)][:most]
    assert [seen.name for seen in found.worst] == [NAMES[row] for row in (0, 2, 1)][:most]
    assert found.best[0].error < 1e-3 and found.worst[0].error > 5


def test_images_of_unknown_truth_and_methods_of_joints_alone_are_passed_over(truth, bodies, tmp_path):
    unknown = truth.hands.map(
        lambda points: torch.where(torch.tensor([True, False, False])[:, None, None], torch.nan, points)
    )
    found = Extremes(bodies)
    found.add(truth._replace(hands=unknown), Answer([0, 1, 2], truth.hands), measured(truth.hands, unknown))
    assert found.judged == 2 and {seen.name for seen in found.best} == set(NAMES[1:])
    joints = TwoHands(HandPoints(truth.hands.right.joints), HandPoints(truth.hands.left.joints))
    bare = looked_at(truth, bodies, joints, 8)
    assert not bare.judged and not bare.write(tmp_path / "none.jpg") and not any(tmp_path.iterdir())


def test_true_hands_of_any_origin_cover_their_masks(truth, bodies):
    elsewhere = truth.hands.map(lambda points: points + torch.tensor([0.3, -1.0, 0.5]))
    found = looked_at(truth, bodies, elsewhere, 3)
    ranges = Augmentation.none(SMALLEST)
    cut = crop(truth.images, ranges, draw(ranges, 3, torch.Generator()))
    masks = torch.stack([truth.images.masks[f"mask_{side}_amodal"] > 0 for side in ("right", "left")]).any(0)
    outlines = resampled(masks[:, None].float(), cut, SMALLEST)[:, 0] > 0.5
    for seen in found.best:
        black = Image.new("RGB", seen.picture.size)
        covered = np.asarray(painted_over(black, seen.hands, SMALLEST)).any(-1)
        outline = outlines[NAMES.index(seen.name)].numpy()
        assert (covered & ~outline).mean() < 0.01 * covered.mean(), seen.name
        assert covered.sum() > 0.85 * outline.sum(), "masks of these small pictures are half a pixel wider, no more"


def test_an_evaluation_leaves_them_and_no_image_twice(place, truth, tmp_path):
    columns = columns_of(scaled(truth.hands, [1.2, 1.0, 1.1]))
    file = write_predictions(tmp_path / "predictions.parquet", columns)
    made = evaluate(Evaluation(place, tmp_path / "out", predictions=file))
    with Image.open(made.pictures) as sheet:
        assert sheet.size == (2 * 198 + 6, 2 * (2 * 198 + 18) + 6)  # two best, one worst
        colours = np.asarray(sheet)
    assert (colours[-100:, :190] < 250).any() and (colours[-100:, 210:] == 255).all()


def test_joints_alone_leave_no_picture(place, truth, tmp_path):
    file = write_predictions(tmp_path / "predictions.parquet", columns_of(truth.hands, ["joints_3d"]))
    assert evaluate(Evaluation(place, tmp_path / "out", predictions=file)).pictures is None


def test_one_hand_of_unknown_truth_does_not_hide_the_other(truth, bodies):
    right = truth.hands.right.map(lambda points: points * torch.nan)
    half = TwoHands(right, truth.hands.left)
    found = Extremes(bodies)
    found.add(truth._replace(hands=half), Answer([0, 1, 2], truth.hands), measured(truth.hands, half))
    assert found.judged == 3 and found.best[0].error < 1e-3
    assert all(np.isfinite(hand.places).all() for seen in found.best for hand in seen.hands)
    assert ERROR in measured(truth.hands, half)

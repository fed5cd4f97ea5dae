"""`render-ih evaluate transhand`: values that are known beforehand, and what a user may do wrong."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result

from dataset.errors import InputError
from dataset.pictures import values
from dataset.rows import pose_of
from dataset.training.image_batches import ImageBatches
from flows.cli import main
from hands.joints import Side
from models.two_hand_metrics.measuring import HandPoints, TwoHands
from models.two_hand_metrics.occlusion import BINS
from tasks.transhand.evaluation.evaluate import Evaluation, evaluate
from tasks.transhand.evaluation.mean_pose import mean_pose
from tasks.transhand.evaluation.methods import SurfaceMethod
from tasks.transhand.evaluation.outlines import occlusion, outline
from tasks.transhand.evaluation.scoring import scored
from tasks.transhand.evaluation.truth import Bodies, TruthBatch, Wanted, open_images, truth_batches
from tests.flows.refusals import sentence_of
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


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", "transhand", *[str(word) for word in words]])


def judged(place: Path, folder: Path, columns: dict, **others: object) -> tuple[dict, object]:
    """metrics.json and the table of all images for predictions."""
    file = write_predictions(folder / "predictions.parquet", columns)
    made = evaluate(Evaluation(place, folder / "out", predictions=file, **others))
    return json.loads(made.numbers.read_text()), pq.read_table(made.each)


def means(content: dict) -> dict[str, float]:
    return {name: figures["mean"] for name, figures in content["metrics"].items()}


def test_truth_is_right_everywhere(place, truth, tmp_path):
    content, each = judged(place, tmp_path, columns_of(truth.hands))
    found = means(content)
    touching = {name: found.pop(name) for name in list(found) if name.startswith("cdev")}
    assert len(found) > 30 and max(found.values()) < 1e-3 and all(0 < value < 3 for value in touching.values())
    assert content["images"] == 3 and content["missing"] == 0
    assert content["metrics"]["cdev_mm"]["count"] == 2 and each["cdev_mm"].null_count == 1
    assert content["metrics"]["right.joint_errors_middle_mm"]["count"] == 3 * 21


def test_one_hand_elsewhere_is_seen_between_hands_alone(place, truth, tmp_path):
    """12 mm along x."""
    moved = TwoHands(truth.hands.right.map(lambda x: x + torch.tensor([0.012, 0, 0])), truth.hands.left)
    found = means(judged(place, tmp_path, columns_of(moved))[0])
    for root in ("middle", "wrist"):
        assert found[f"mrrpe_{root}_mm"] == pytest.approx(12, abs=1e-3)
        assert found[f"mrrpe_released_{root}_mm"] == pytest.approx(4, abs=1e-3)
        assert found[f"mpjpe_{root}_mm"] < 1e-3 and found[f"mpvpe_{root}_mm"] < 1e-3
    assert found["rrve_mm"] == pytest.approx(6, abs=1e-3) and found["cdev_mm"] == pytest.approx(12, abs=3)


def test_hands_of_another_size_are_right_when_scaled(place, truth, tmp_path):
    found = means(judged(place, tmp_path, columns_of(truth.hands.map(lambda x: 1.1 * x)))[0])
    for name in ("smpjpe_middle_mm", "smpjpe_wrist_mm", "smpvpe_middle_mm", "pa_mpjpe_mm", "pa_mpvpe_mm"):
        assert found[name] < 1e-3, name
    size = [hand.joints - hand.joints[:, 9:10] for hand in (truth.hands.right, truth.hands.left)]
    expected = 100 * torch.stack(size).norm(dim=-1).mean().item()
    assert found["mpjpe_middle_mm"] == pytest.approx(expected, rel=1e-4)


def test_the_origin_and_the_order_of_rows_do_not_matter(place, truth, tmp_path):
    noise = torch.Generator().manual_seed(0)
    wrong = truth.hands.map(lambda x: x + 0.003 * torch.randn(x.shape, generator=noise))
    elsewhere = wrong.map(lambda x: (x + torch.tensor([5.0, -1.0, 0.5]))[[2, 0, 1]])
    (tmp_path / "other").mkdir()
    one = means(judged(place, tmp_path, columns_of(wrong))[0])
    names = [NAMES[row] for row in (2, 0, 1)]
    other = means(judged(place, tmp_path / "other", columns_of(elsewhere, names=names))[0])
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert other[name] == pytest.approx(value, abs=2e-3), name


def test_tables_are_the_means_of_the_rows(place, truth, tmp_path):
    noise = torch.Generator().manual_seed(0)
    wrong = truth.hands.map(lambda x: x + 0.01 * torch.randn(x.shape, generator=noise))
    content, each = judged(place, tmp_path, columns_of(wrong))
    assert each["sample_id"].to_pylist() == NAMES and each["predicted"].to_pylist() == [True] * 3
    for name, figures in content["metrics"].items():
        column = each[name].combine_chunks()
        numbers = np.asarray((column.flatten() if name.count("joint_errors") else column).drop_null())
        assert figures["count"] == len(numbers)
        np.testing.assert_allclose(
            [figures["mean"], figures["std"]], [numbers.mean(), numbers.std()], rtol=1e-3, atol=1e-3
        )
    of = BINS["interhand"].of(torch.tensor(each["iou"].to_numpy())).numpy()
    for number, one in enumerate(content["occlusion"]):
        rows = np.flatnonzero(of == number)
        assert one["images"] == len(rows) == one["metrics"]["mpjpe_wrist_mm"]["count"]
        if len(rows):
            expected = each["mpjpe_wrist_mm"].to_numpy()[rows].mean()
            assert one["metrics"]["mpjpe_wrist_mm"]["mean"] == pytest.approx(expected, rel=1e-5)


def test_occlusion_is_the_overlap_of_the_masks_and_nearly_that_of_drawn_outlines(place, truth, bodies):
    rows = {
        row["sample_id"]: row
        for file in (place / "images").glob("*.parquet")
        for row in pq.read_table(file).to_pylist()
    }
    expected = []
    for name in NAMES:
        right, left = (values(rows[name][f"mask_{side}_amodal"]) > 0 for side in Side)
        expected.append((right & left).sum() / (right | left).sum())
    np.testing.assert_allclose(truth.iou, expected, atol=1e-12)
    (bare,) = truth_batches(open_images(Wanted(str(place), "test"), bodies.models, place, masks=False), bodies)
    np.testing.assert_allclose(bare.iou, expected, atol=0.06)  # masks of these small pictures are half a pixel wider
    assert (bare.iou > 0).tolist() == [True, True, False]
    lost = TwoHands(HandPoints(truth.hands.right.joints, truth.hands.right.vertices * torch.nan), truth.hands.left)
    assert occlusion(bare.images, lost, bodies.models).isnan().all(), "no surface, no outline"


def test_a_drawn_outline_has_the_pixels_whose_middles_it_covers():
    """Two squares side by side share none."""
    corners = torch.tensor([[0.0, 0, 1], [8, 0, 1], [8, 6, 1], [0, 6, 1]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    one = outline(corners + torch.tensor([3.0, 4, 0]), faces, (32, 24))
    other = outline(corners + torch.tensor([11.0, 4, 0]), faces, (32, 24))
    expected = np.zeros((24, 32), bool)
    expected[4:10, 3:11] = True
    assert (one == expected).all() and other.sum() == 48 and not (one & other).any()
    shifted = outline(corners + torch.tensor([3.4, 4.0, 0]), faces, (32, 24))
    assert (shifted == expected).all()


def test_true_joints_are_those_of_surfaces_or_as_labelled(place, truth, bodies):
    """Joints of the surface are near those of the label; where no surface is known, they are the label."""
    labelled = truth.images.right.joints_3d
    assert 1e3 * (truth.hands.right.joints - labelled).norm(dim=-1).mean() < 1
    unposed = truth.images.right.map(lambda tensor: tensor.clone())
    unposed.hand_pose[1] = torch.nan
    batch = SimpleNamespace(hand=lambda side: unposed if side is Side.RIGHT else truth.images.left)
    found = bodies.true_hands(batch).right
    assert torch.equal(found.joints[1], labelled[1]) and found.vertices[1].isnan().any()
    assert torch.equal(found.joints[0], truth.hands.right.joints[0])


def test_the_mean_pose_is_the_mean_of_the_other_split(place, bodies):
    """Computed once more from the rows."""
    found = mean_pose(ImageBatches(place, "train"), bodies).surfaces
    rows = [row for file in (place / "images").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    train = [row for row in rows if row["split"] == "train"]
    points = {
        side: [bodies.points(side, pose_of([row[side]]).pose(bodies.models[side]).vertices) for row in train]
        for side in Side
    }
    own = {
        side: [(hand.vertices - hand.joints[:, 9:10])[0].numpy() for hand in hands] for side, hands in points.items()
    }
    apart = [(one.joints - other.joints)[0, 9].numpy() for one, other in zip(*points.values(), strict=True)]
    np.testing.assert_allclose(found[Side.LEFT], np.mean(own[Side.LEFT], 0), atol=1e-6)
    np.testing.assert_allclose(found[Side.RIGHT], np.mean(own[Side.RIGHT], 0) + np.mean(apart, 0), atol=1e-6)


def test_the_mean_pose_is_judged(place, tmp_path):
    result = call(place, "--baseline", "mean-pose", "--bins", "tzionas", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["settings"]["learnt"] == 2 and content["occlusion"][0]["iou"] == "0"
    assert content["occlusion"][0]["images"] == 1 and 5 < means(content)["mpjpe_middle_mm"] < 200
    assert f"| MPJPE | {means(content)['mpjpe_middle_mm']:.2f} |" in result.output
    assert "# mean-pose, 3 images of the split test" in (tmp_path / "out" / "tables.md").read_text()


def test_any_network_can_be_judged(place, truth, bodies, tmp_path, monkeypatch):
    """One that answers the truth, about an origin of its own."""
    asked = []

    class Predictor:
        @staticmethod
        def load(path, hands, device):
            asked.append((path, set(hands), device))
            return lambda batch: {side: getattr(bodies.true_hands(batch), side).vertices + 1.0 for side in Side}

    monkeypatch.setitem(sys.modules, "tasks.transhand.prediction", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "tasks.transhand.prediction.predictor", SimpleNamespace(Predictor=Predictor))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    made = evaluate(Evaluation(place, tmp_path / "out", checkpoint=tmp_path / "model.safetensors", most=2))
    content = json.loads(made.numbers.read_text())
    assert asked == [(tmp_path / "model.safetensors", set(Side), "cpu")]
    assert content["images"] == 2 and means(content)["mpvpe_wrist_mm"] < 1e-3
    assert content["settings"]["name"] == "model.safetensors" and str(tmp_path) not in made.numbers.read_text()


def test_batches_add_up(truth, bodies):
    """Three batches of one image give the numbers of one batch of three."""
    predict = lambda batch: {side: getattr(bodies.true_hands(batch), side).vertices * 1.05 for side in Side}  # noqa: E731
    method = SurfaceMethod(predict, bodies, {})
    one = scored([truth], method, BINS["interhand"])

    def alone(row: int) -> TruthBatch:
        one = slice(row, row + 1)
        return TruthBatch(truth.images[one], truth.hands.map(lambda x: x[one]), truth.iou[one])

    many = scored(map(alone, range(3)), method, BINS["interhand"])
    assert one.images == many.images and one.table["sample_id"].to_pylist() == many.table["sample_id"].to_pylist()
    for name, tally in one.overall.items():
        assert many.overall[name].count == tally.count
        np.testing.assert_allclose(
            [many.overall[name].mean, many.overall[name].std], [tally.mean, tally.std], atol=1e-4
        )


def test_missing_predictions_are_refused_or_told(place, truth, tmp_path):
    columns = {name: column[1:] for name, column in columns_of(truth.hands).items()}
    with pytest.raises(InputError, match=r"no prediction for 000000-0 \(and 0 more of 3 images.*--allow-missing"):
        judged(place, tmp_path, columns)
    content, each = judged(place, tmp_path, columns, allow_missing=True)
    assert content["missing"] == 1 and content["images"] == 2
    assert each["predicted"].to_pylist() == [False, True, True] and each["mpjpe_middle_mm"].null_count == 1
    assert "**1 images have no prediction and are left out.**" in (tmp_path / "out" / "tables.md").read_text()
    columns["sample_id"] = ["a", "b"]
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="a prediction for none of the images"):
        judged(place, tmp_path / "other", columns, allow_missing=True)


def test_a_prediction_that_is_no_number_is_refused(place, truth, tmp_path):
    columns = columns_of(truth.hands)
    columns["left.vertices"][1][7] = float("nan")
    with pytest.raises(InputError, match=r"predicted left hand of 000001-0 .* has a coordinate that is no number"):
        judged(place, tmp_path, columns)


def test_a_folder_with_other_things_or_results_is_left_alone(place, truth, tmp_path):
    file = write_predictions(tmp_path / "own.parquet", columns_of(truth.hands))
    words = (place, "--predictions", file, "--out", tmp_path / "out")
    assert call(*words).exit_code == 0
    first = (tmp_path / "out" / "metrics.json").read_bytes()
    assert call(*words).exit_code == 0 and (tmp_path / "out" / "metrics.json").read_bytes() == first
    assert "is the result of another bins; give an empty folder" in sentence_of(call(*words, "--bins", "tzionas"))
    (tmp_path / "out" / "metrics.json").write_text("[")
    assert "metrics.json: is damaged" in sentence_of(call(*words))
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    assert "holds something else (thesis.tex)" in sentence_of(call(*words))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "give --checkpoint, --predictions or --baseline"),
        (("--baseline", "mean-pose", "--checkpoint", "x"), "one method is judged"),
        (("--baseline", "zero"), "baseline: there is no 'zero'"),
        (("--baseline", "mean-pose", "--split", "validation"), "has no image of validation"),
        (("--baseline", "mean-pose", "--device", "tpu9"), "device: 'tpu9' is no device"),
        (("--predictions", "nowhere.parquet"), "nowhere.parquet: cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(place, tmp_path, words, sentence):
    assert sentence in sentence_of(call(place, "--out", tmp_path / "out", *words))
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_size_is_two_numbers(place, tmp_path):
    words = (place, "--baseline", "mean-pose", "--out", tmp_path / "out", "--size")
    assert "'big' is no size; give for example 512x334" in call(*words, "big").output
    assert call(*words, "48x36").exit_code == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["settings"]["size"] == [48, 36]

"""`render-ih predict` and `render-ih export-network` as a user calls them, with an untrained network."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result
from PIL import Image

from dataset.columns import flattened
from flows.cli import main
from hands.joints import Side
from tasks.transhand.evaluation.evaluate import Evaluation, evaluate
from tasks.transhand.prediction import exporting, photos, predict
from tasks.transhand.prediction.predictor import Predictor
from tests.dataset.synthetic import make_sample, write_dataset
from tests.flows.refusals import sentence_of
from tests.tasks.learnt_images import dataset
from tests.tasks.seeing_network import FILL, SIZE, checkpoint, network, predictor

GREY = 120


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def predicted(place: object, out: Path, *words: object) -> dict[str, list]:
    """The columns of what the command makes."""
    result = call("predict", checkpoint(), place, "--out", out, *words)
    assert result.exit_code == 0, result.output
    return columns(out)


def columns(out: Path) -> dict[str, list]:
    return {name: values.to_pylist() for name, values in flattened(pq.read_table(out / "predictions.parquet")).items()}


def noise(path: Path, width: int, height: int, seed: int = 0) -> Path:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five pictures of several sizes, one in a folder inside."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.jpg", "more/d.png", "more/e.webp")):
        noise(tmp_path / "photos" / name, 60 + 20 * number, 80, number)
    return tmp_path / "photos"


@pytest.fixture
def quick(monkeypatch):
    """Parts of two pictures."""
    monkeypatch.setattr(photos, "PART", 2)


# --- photos


def test_a_folder_of_pictures(folder, tmp_path):
    found = predicted(folder, tmp_path / "out", "--meshes")
    assert found["sample_id"] == ["a.png", "b.png", "c.jpg", "more/d.png", "more/e.webp"]
    assert found["width"] == [60, 80, 100, 120, 140] and found["height"] == [80] * 5 and not any(found["is_boxed"])
    assert found["square"][3] == [60, 40, 80], "the largest amid the picture"
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"sheet.jpg", "overlays/more/d.png.jpg", "meshes/more/d.png_left.obj", "meshes/a.png_right.obj"} <= files
    assert not any(name.startswith("parts") for name in files)
    with Image.open(tmp_path / "out" / "sheet.jpg") as sheet:
        assert sheet.width > 5 * 256
    mesh = trimesh.load(tmp_path / "out" / "meshes" / "more" / "d.png_left.obj", process=False)
    np.testing.assert_allclose(mesh.vertices, np.reshape(found["left.vertices"][3], (-1, 3)), atol=1e-6)
    assert np.array_equal(mesh.faces, predictor().faces(Side.LEFT))


def drawn_by_samples(places: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels in which points lie that are strewn over each triangle."""
    shares = np.random.default_rng(0).dirichlet((1, 1, 1), 400)
    points = np.einsum("sc,fcx->fsx", shares, places[faces]).reshape(-1, 2)
    x, y = np.floor(points).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < size[0]) & (y < size[1])
    mask = np.zeros(size[::-1], bool)
    mask[y[inside], x[inside]] = True
    return mask


def test_hands_are_drawn_where_the_cameras_see_them(tmp_path):
    """By points on the triangles instead of polygons; the picture is grey, so whatever is not grey was drawn."""
    path = tmp_path / "grey.png"
    Image.new("RGB", (150, 110), (GREY,) * 3).save(path)
    found = predicted(path, tmp_path / "out", "--box", "70,20,60,50")
    expected = np.zeros((110, 150), bool)
    for side in Side:
        scale, *shift = found[f"{side}.camera"][0]
        places = scale * np.reshape(found[f"{side}.vertices"][0], (-1, 3))[:, :2] + shift
        np.testing.assert_allclose(np.reshape(found[f"{side}.vertices_2d"][0], (-1, 2)), places, atol=1e-3)
        expected |= drawn_by_samples(places, predictor().faces(side), (150, 110))
    with Image.open(tmp_path / "out" / "overlays" / "grey.png.jpg") as picture:
        drawn = np.abs(np.asarray(picture).astype(int) - GREY).max(-1) > 12
    assert expected.sum() > 100 and found["square"][0] == [100, 45, 80] and found["is_boxed"] == [True]
    assert (drawn & expected).sum() / (drawn | expected).sum() > 0.8
    for axis in (0, 1):
        middle, other = (np.nonzero(mask)[axis].mean() for mask in (drawn, expected))
        assert abs(middle - other) < 1.0
    assert abs(np.nonzero(expected)[1].mean() - 75) > 10, "nobody can mistake it for the picture's middle"


def test_boxes_of_a_folder(folder, tmp_path):
    rows = ["file,x,y,width,height"] + [
        f"{path.relative_to(folder).as_posix()},5,6,30,20" for path in folder.rglob("*.*")
    ]
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    found = predicted(folder, tmp_path / "out", "--boxes", tmp_path / "boxes.csv")
    assert all(found["is_boxed"]) and found["square"] == [[20, 16, 30 / FILL]] * 5


def test_batches_change_nothing(folder, tmp_path):
    one, many = (predicted(folder, tmp_path / str(batch), "--batch", batch) for batch in (1, 4))
    for side in Side:
        np.testing.assert_allclose(one[f"{side}.vertices"], many[f"{side}.vertices"], atol=1e-5)


def test_a_large_picture_has_a_smaller_overlay(tmp_path):
    found = predicted(noise(tmp_path / "large.jpg", 3000, 2000), tmp_path / "out")
    with Image.open(tmp_path / "out" / "overlays" / "large.jpg.jpg") as picture:
        assert picture.size == (1600, 1067)
    assert found["width"] == [3000] and np.mean(found["right.joints_2d"][0][::2]) > 1000, "pixels of the picture itself"


# --- going on


def test_what_was_stopped_goes_on(folder, tmp_path, quick, monkeypatch):
    whole = predicted(folder, tmp_path / "whole")
    asked, look = [], Predictor.look

    def looking(self, crops):
        asked.append(len(crops.image))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return look(self, crops)

    monkeypatch.setattr(Predictor, "look", looking)
    words = ("predict", checkpoint(), folder, "--out", tmp_path / "out")
    stopped = call(*words)
    assert stopped.exit_code == 2 and "the same command goes on from there" in stopped.output
    assert not (tmp_path / "out" / "predictions.parquet").exists()
    assert call(*words).exit_code == 0 and asked == [2, 2, 2, 1], "the first part is not looked at again"
    assert columns(tmp_path / "out") == whole
    first = (tmp_path / "out" / "predictions.parquet").read_bytes()
    assert call(*words, "--meshes").exit_code == 0 and len(asked) == 4
    assert (tmp_path / "out" / "predictions.parquet").read_bytes() == first
    assert len(list((tmp_path / "out" / "meshes").rglob("*.obj"))) == 10


def test_other_predictions_and_other_things_are_left_alone(folder, tmp_path):
    out = tmp_path / "out"
    predicted(folder, out, "--overlays", 0)
    assert not (out / "sheet.jpg").exists() and not (out / "overlays").exists()
    words = ("predict", checkpoint(), folder, "--out", out)
    assert "holds predictions of another overlays; give an empty folder" in sentence_of(call(*words))
    noise(folder / "z.png", 50, 50)
    assert "another pictures" in sentence_of(call(*words, "--overlays", 0))
    (out / "predictions.parquet").write_bytes(b"PAR1")
    (folder / "z.png").unlink()
    assert "predictions.parquet: is damaged" in sentence_of(call(*words, "--overlays", 0))
    (out / "predictions.json").write_text("[")
    assert "predictions.json: is damaged" in sentence_of(call(*words))
    (out / "thesis.tex").write_text("mine")
    assert "holds something else (thesis.tex)" in sentence_of(call(*words))
    assert "lies in the folder of the pictures" in sentence_of(call(*words[:-1], folder / "out"))


# --- what cannot be used


def test_bad_pictures_are_left_out_and_told(folder, tmp_path, quick):
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:300])
    (folder / "notes.txt").write_text("mine")
    result = call("predict", checkpoint(), folder, "--out", tmp_path / "out")
    assert result.exit_code == 1 and "(4 pictures, 1 left out)" in result.output
    assert columns(tmp_path / "out")["sample_id"] == ["a.png", "c.jpg", "more/d.png", "more/e.webp"]
    again = call("predict", checkpoint(), folder, "--out", tmp_path / "out")
    assert again.exit_code == 1 and "1 left out" in again.output, "also when nothing is looked at"


def test_a_folder_of_bad_pictures_is_refused_and_can_be_mended(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no")
    words = ("predict", checkpoint(), tmp_path / "photos", "--out", tmp_path / "out")
    assert "none of its pictures can be used" in sentence_of(call(*words))
    noise(tmp_path / "photos" / "a.png", 40, 40)
    assert call(*words).exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nowhere",), "nowhere: there is no such file or folder"),
        (("one.png", "--box", "1,2,3"), "--box: ['1', '2', '3'] is no box"),
        (("one.png", "--box", "90,0,5,5"), "one.png: its box 90,0,5,5 lies outside the picture of 40×30"),
        ((".", "--box", "1,2,3,4"), "--box is of one picture alone"),
        (("one.png", "--boxes", "nowhere.csv"), "nowhere.csv: cannot be read"),
        (("one.png", "--device", "tpu9"), "device: 'tpu9' is no device"),
        (("empty.png",), "empty.png: is damaged or cannot be read (the file is empty)"),
        (("one.png", "--mano", "nowhere"), "MANO_RIGHT.pkl"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, words, sentence):
    (tmp_path / "input").mkdir()
    monkeypatch.chdir(tmp_path / "input")
    noise(Path("one.png"), 40, 30)
    Path("empty.png").touch()
    assert sentence in sentence_of(call("predict", checkpoint(), *words, "--out", tmp_path / "out"))
    assert not (tmp_path / "out" / "predictions.parquet").exists()


def test_a_dataset_has_its_own_boxes_and_splits(tmp_path):
    words = ("predict", checkpoint(), dataset(), "--out", tmp_path / "out")
    assert "is a dataset, whose boxes are its labels'" in sentence_of(call(*words, "--box", "1,2,3,4"))


def test_doubtful_answers_and_squares_without_boxes_are_told(folder, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(predict, "say", lambda sentence, *level, **_: told.append(sentence))
    monkeypatch.setattr("tasks.transhand.prediction.table.PLAUSIBLE", (5.0, 6.0))
    found = predicted(folder, tmp_path / "out")
    assert not any(found["is_plausible"]) and len(told) == 2
    assert "no box around both hands is given" in told[0]
    assert told[1].startswith("5 of 5 pictures (a.png, b.png, c.jpg) may show no two hands")


# --- a dataset


def test_predictions_of_a_dataset_are_judged_like_the_network(tmp_path):
    found = predicted(dataset(), tmp_path / "out", "--split", "train", "--batch", 3)
    assert all(found["is_boxed"]) and found["width"] == [96] * 4
    given = {"checkpoint": checkpoint(), "predictions": tmp_path / "out" / "predictions.parquet"}
    numbers = {}
    for name, path in given.items():
        made = evaluate(Evaluation(dataset(), tmp_path / name, split="train", **{name: path}))
        numbers[name] = json.loads(made.numbers.read_text())["metrics"]
    assert numbers["checkpoint"].keys() == numbers["predictions"].keys() and "mrrpe_wrist_mm" in numbers["checkpoint"]
    for metric, told in numbers["checkpoint"].items():
        assert numbers["predictions"][metric]["mean"] == pytest.approx(told["mean"], abs=0.02), metric
        assert numbers["predictions"][metric]["count"] == told["count"]


def test_images_that_show_no_hand_are_looked_at_whole_and_told(hands, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(predict, "say", lambda sentence, *level, **_: told.append(sentence))
    samples = [make_sample(number, hands, 96, 72) for number in range(2)]
    for side in Side:
        samples[1]["images"][side.value]["bbox"] = [0.0] * 4
    write_dataset(tmp_path / "set", samples)
    found = predicted(tmp_path / "set", tmp_path / "out", "--split", "train")
    assert found["is_boxed"] == [True, False] and found["square"][1] == [48, 36, 96 / FILL]
    assert told[-1].startswith("1 of 2 images show no hand")


def test_only_some_images_of_a_dataset(tmp_path):
    assert len(predicted(dataset(), tmp_path / "out", "--split", "train", "--most", 3)["sample_id"]) == 3


# --- export


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("export") / "hands.pt2"
    result = call("export-network", checkpoint(), "--out", out)
    assert result.exit_code == 0, result.output
    assert "largest difference from the network" in result.output
    return out


def test_the_program_answers_like_the_network(exported):
    about = {"about.json": ""}
    program = torch.export.load(exported, extra_files=about).module()
    assert json.loads(about["about.json"])["image_size"] == SIZE and json.loads(about["about.json"])["fill"] == FILL
    for count in (1, 3):
        image = torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            found, expected = program(image), network()(image)
        for side in Side:
            torch.testing.assert_close(found[f"{side}_vertices"], expected.side(side).vertices, atol=1e-5, rtol=0)
            torch.testing.assert_close(found[f"{side}_camera"], expected.side(side).camera, atol=1e-4, rtol=0)
            joints = predictor().network.meshes.joints(side, expected.side(side).vertices)
            torch.testing.assert_close(found[f"{side}_joints"], joints, atol=1e-5, rtol=0)


def test_the_program_needs_torch_alone(exported):
    absent = ("models", "hands", "dataset", "tasks", "transformers", "jaxtyping")
    answer = f"torch.export.load({str(exported)!r}).module()(torch.rand(2, 3, {SIZE}, {SIZE}))['left_vertices']"
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import torch; print(tuple({answer}.shape))"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "(2, 778, 3)"


def test_a_program_that_differs_is_not_written(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "program_of", lambda predictor: exported.read_bytes())
    with torch.no_grad():
        other = Predictor(network(), predictor().ranges)
        other.network.heads.camera.bias += 0.01
    monkeypatch.setattr(Predictor, "load", lambda *_: other)
    assert "answers otherwise than the network, by 0.01" in sentence_of(
        call("export-network", checkpoint(), "--out", tmp_path / "x.pt2")
    )
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_one_sentence(exported, tmp_path):
    words = ("export-network", checkpoint(), "--out")
    assert "torch loads programs from files that end with .pt2" in sentence_of(call(*words, tmp_path / "x.onnx"))
    assert "is there already" in sentence_of(call(*words, exported))
    shutil.copy(exported, tmp_path / "model.safetensors")
    damaged = call("export-network", tmp_path / "model.safetensors", "--out", tmp_path / "y.pt2")
    assert "is damaged or no safetensors file" in sentence_of(damaged)
    assert torch.export.load(io.BytesIO(exported.read_bytes())) is not None

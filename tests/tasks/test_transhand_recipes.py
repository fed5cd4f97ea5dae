"""Every recipe from images to a card, on small data made in the real formats, and judging on recorded images."""

import copy
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from dataset.assets.hand_files import load_hands
from dataset.errors import InputError
from flows import train_transhand as flow
from flows.cli import main
from hands.random_streams import torch_stream
from models.transhand.checkpoint import load
from models.transhand.upsampling import meshes_of
from tasks.lightning_training.running import is_finished, newest
from tasks.training_job.job import TrainingJob
from tasks.transhand.evaluation.evaluate import Evaluation, evaluate
from tasks.transhand.evaluation.truth import Bodies, Wanted, open_images, truth_batches
from tasks.transhand.training import learner as learning
from tasks.transhand.training.config import load_training
from tasks.transhand.training.job_config import IMAGES, recipe
from tasks.transhand.training.trainer import train
from tests.dataset.readers.writers import save_interhand
from tests.dataset.recorded_images.image_writers import (
    save_ego3dhands,
    save_h2o3d,
    save_hic_images,
    save_interhand_images,
)
from tests.flows.refusals import sentence_of
from tests.tasks.judged_images import columns_of, write_predictions
from tests.tasks.learnt_images import dataset

RECIPES = (
    "smoke",
    "small",
    "pretrained",
    "paper",
    "released",
    "synthetic",
    "real",
    "mixed",
    "finetune",
    "subset",
    "size",
    "no-ce",
)
SIZES = {
    "network.image_size": 32,
    "network.backbone": "{name: tiny}",
    "network.image_width": 8,
    "network.widths": "[16, 8, 4]",
    "network.heads": 1,
    "network.perceptrons": 1,
    "optimiser.batch": 4,
    "optimiser.steps": 2,
    "optimiser.warmup": 0,
    "report": "{metrics: 1, checkpoint: 2, validation: 2, validation_images: 2, pictures: 1}",
    "data.workers": 0,
}
"""A network and a training that take a second; all else is the recipe's."""


@pytest.fixture(scope="module")
def free_hands() -> dict:
    return load_hands()


@pytest.fixture(scope="module")
def few_surfaces(free_hands):
    return meshes_of(free_hands, torch_stream(0, "surfaces"), 50)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch, few_surfaces):
    """All of the flow but torchrun, and a quick upsampling: test_transhand_training.py has them."""

    def launched(job: TrainingJob) -> None:
        config = load_training(job.config.config, (*job.trainer.settings, *job.config.overrides))
        if not is_finished(job.out):
            train(config, job.config.dataset, job.out, resumed=newest(job.out))

    monkeypatch.setattr(flow, "launch_trainer", launched)
    monkeypatch.setattr(learning, "meshes_of", lambda hands, draws: copy.deepcopy(few_surfaces))


@pytest.fixture(scope="module")
def interhand26m(tmp_path_factory, free_hands) -> Path:
    """Six pictures, which are of its subsets train and test alike."""
    folder, content = save_interhand_images(tmp_path_factory.mktemp("real") / "interhand", free_hands)
    save_interhand(folder, content, "test", "annotations/test")
    (folder / "images" / "test").symlink_to(folder / "images" / "train")
    return folder


def trained(out: Path, place: str, name: str, *overrides: str, **job: object) -> dict:
    """The flow with a recipe; what the checkpoint says of it."""
    settings = [f"{key}={value}" for key, value in SIZES.items()]
    wish = {"dataset": place, "out": str(out), "config": name, "overrides": [*settings, *overrides], "images": 2}
    result = flow.train_without_server(wish | job)
    assert result.finished and (out / "README.md").exists() and (out / "metrics.jsonl").exists()
    return load(out).notes


def errors(out: Path) -> dict:
    """metrics.json of the evaluation after a training."""
    (file,) = (out / "evaluation").glob("*/metrics.json")
    return json.loads(file.read_text())


def test_every_recipe_is_run_below():
    assert {file.stem for file in recipe("smoke").parent.glob("*.yaml")} == {*RECIPES, IMAGES}
    with pytest.raises(InputError, match="'images' is no recipe"):
        recipe(IMAGES)


@pytest.mark.parametrize("name", ["small", "pretrained", "paper", "released", "synthetic", "subset", "size", "no-ce"])
def test_recipes_for_a_dataset_run_from_end_to_end(name, tmp_path):
    more = {"subset": ["data.share=0.5", "optimiser.batch=2"], "size": ["data.most=3", "optimiser.batch=3"]}.get(
        name, []
    )
    notes = trained(tmp_path, str(dataset()), name, *more)
    assert notes["images"] == [{"subset": 2, "size": 3}.get(name, 4)]
    assert notes["config"]["losses"] == load_training(recipe(name)).model_dump(mode="json")["losses"]
    assert load(tmp_path).network.config.correlation == (name != "no-ce")
    assert errors(tmp_path)["images"] == 1 and "MPJPE" in (tmp_path / "README.md").read_text()


def test_real_images_are_learnt_and_judged(interhand26m, tmp_path):
    notes = trained(tmp_path, f"interhand26m={interhand26m}", "real")
    assert notes["images"] == [6]
    assert errors(tmp_path)["settings"]["split"] == "test" and errors(tmp_path)["images"] == 2


def test_rendered_and_real_images_are_mixed_then_real_ones_fine_tune(interhand26m, tmp_path):
    mix = f"data.mix=[{{place: interhand26m={interhand26m}, ratio: 1}}]"
    notes = trained(tmp_path / "first", str(dataset()), "mixed", mix)
    assert notes["images"] == [4, 6] and notes["config"]["data"]["ratio"] == 2.73
    place = f"interhand26m={interhand26m}"
    notes = trained(tmp_path / "second", place, "finetune", f"init={tmp_path / 'first'}", evaluate_on=str(dataset()))
    assert notes["images"] == [6] and errors(tmp_path / "second")["images"] == 1


@pytest.mark.parametrize(
    ("kind", "save"), [("hic", save_hic_images), ("h2o3d", save_h2o3d), ("ego3dhands", save_ego3dhands)]
)
def test_other_real_images_are_learnt_and_judged(kind, save, free_hands, tmp_path):
    """Which of their images are held back nobody says, so they are judged on only where they are named for it."""
    save(tmp_path / "real", free_hands)
    place = f"{kind}={tmp_path / 'real'}"
    usable = 2 if kind == "ego3dhands" else 3  # one of its images shows one hand
    assert trained(tmp_path / "out", place, "real", "optimiser.batch=2")["images"] == [usable]
    assert not (tmp_path / "out" / "evaluation").exists()
    trained(tmp_path / "out", place, "real", "optimiser.batch=2", evaluate_on=place)
    found = errors(tmp_path / "out")
    assert found["images"] == 2 and (found["metrics"]["mpvpe_middle_mm"]["count"] > 0) == (kind != "ego3dhands")


# --- `render-ih evaluate transhand KIND=PATH`


def judge(*words: object):
    return CliRunner().invoke(main, ["evaluate", "transhand", *[str(word) for word in words]])


def test_predictions_for_recorded_images_are_judged(interhand26m, free_hands, tmp_path):
    place, bodies = f"interhand26m={interhand26m}", Bodies.of(free_hands)
    (truth,) = truth_batches(open_images(Wanted(place, "test"), free_hands, tmp_path / "kept"), bodies)
    assert len(truth.images) == 6 and ((truth.iou >= 0) & (truth.iou <= 1)).all() and truth.iou.max() > 0.2
    file = write_predictions(tmp_path / "p.parquet", columns_of(truth.hands, names=truth.images.sample_ids))
    result = judge(place, "--predictions", file, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["images"] == 6 and found["metrics"]["mpvpe_wrist_mm"]["mean"] < 1e-3
    each = pq.read_table(tmp_path / "out" / "errors.parquet")
    np.testing.assert_allclose(each["iou"], truth.iou, atol=1e-6)
    kept = (tmp_path / "out" / "recordings").glob("*.npz")
    assert [path.name.rsplit("-", 1)[0] for path in kept] == ["interhand26m-test"]
    again = judge(place, "--predictions", file, "--out", tmp_path / "out", "--most", 2)
    assert "is the result of another images, most" in sentence_of(again)


def test_the_mean_of_recorded_hands_needs_images_held_apart(interhand26m, free_hands, tmp_path):
    made = evaluate(Evaluation(Path(f"interhand26m={interhand26m}"), tmp_path / "out", baseline="mean-pose"))
    assert json.loads(made.numbers.read_text())["settings"]["learnt"] == 6
    save_hic_images(tmp_path / "hic", free_hands)
    said = sentence_of(judge(f"hic={tmp_path / 'hic'}", "--baseline", "mean-pose", "--out", tmp_path / "none"))
    assert "has no images of train apart from the others" in said


def test_what_is_wrong_with_recorded_images_is_one_sentence(interhand26m, tmp_path):
    out = ("--baseline", "mean-pose", "--out", tmp_path / "out")
    assert "images of 'coco' cannot be read" in sentence_of(judge(f"coco={tmp_path}", *out))
    assert "there is no such folder" in sentence_of(judge(f"hic={tmp_path / 'nowhere'}", *out))
    assert "only recorded images have subsets" in sentence_of(judge(dataset(), *out, "--subset", "val"))
    assert "'big'" in sentence_of(judge(f"interhand26m={interhand26m}", *out, "--subset", "big"))
    with pytest.raises(InputError, match=r"holds no InterHand2.6M_test"):
        open_images(Wanted(f"interhand26m={tmp_path}", "test"), load_hands(), tmp_path / "kept")

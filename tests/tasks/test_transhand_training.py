"""Training TransHand: what it leaves, how it goes on, what it begins with; and the whole flow once."""

import copy
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dataset.errors import InputError
from flows.train_transhand import train_without_server
from hands.random_streams import torch_stream
from models.transhand.checkpoint import load
from models.transhand.losses import LossConfig
from models.transhand.upsampling import meshes_of
from tasks.lightning_training.config import OptimiserConfig, epochs_of, rate_at, steps_of
from tasks.lightning_training.reporting import Reports
from tasks.lightning_training.running import is_finished, newest, step_of
from tasks.training_job.trainer import TRANSHAND, Trainer
from tasks.transhand.training import learner as learning
from tasks.transhand.training.config import load_training
from tasks.transhand.training.job_config import IMAGES, TransHandJobConfig, recipe
from tasks.transhand.training.job_data import check_images
from tasks.transhand.training.learner import Learner, new_network
from tasks.transhand.training.looking import Look
from tasks.transhand.training.preparing import Preparation
from tasks.transhand.training.sources import Steps
from tasks.transhand.training.trainer import train
from tests.tasks.learnt_images import NETWORK, SPLITS, TINY, dataset, images, tiny

PATIENCE = 600.0
"""Seconds that a test waits for something before it fails."""
TERMS = {"vertices", "joints", "vertices_2d", "joints_2d", "normal"}


@pytest.fixture(scope="module")
def few_surfaces(hands):
    return meshes_of(hands, torch_stream(0, "surfaces"), 50)


@pytest.fixture(autouse=True)
def quick_upsampling(monkeypatch, few_surfaces):
    """Fitting U to thousands of hands is tested with the network."""
    monkeypatch.setattr(learning, "meshes_of", lambda hands, draws: copy.deepcopy(few_surfaces))


@pytest.fixture(scope="module")
def whole(few_surfaces, tmp_path_factory) -> Path:
    """A training of four steps from beginning to end, with dropout, moving average and one worker."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "meshes_of", lambda hands, draws: copy.deepcopy(few_surfaces))
        train(tiny("data.workers=1"), str(dataset()), out)
    return out


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def weights(out: Path) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in load(out).network.state_dict().values()])


# --- a training


def test_a_training_leaves_what_the_contract_promises(whole):
    told = lines(whole)
    steps = [line for line in told if "loss" in line]
    assert [line["step"] for line in steps] == [2, 4]
    assert all(line["loss"] == pytest.approx(sum(line[f"loss/{name}"] for name in TERMS)) for line in steps)
    assert [line["epoch"] for line in steps] == [1.0, 2.0]
    (look,) = [line for line in told if "val/loss" in line]
    assert look["step"] == 4 and look["val/MPJPE_mm"] > look["val/PA_MPJPE_mm"] > 0
    assert told[-1]["finished"] is True and told[-1]["total_steps"] == 4
    names = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert names == ["step-00000002.ckpt", "step-00000004.ckpt"] and is_finished(whole)
    assert len(list((whole / "pictures" / "00000004").glob("*.jpg"))) == 3 and (whole / "heartbeat").exists()
    made = load(whole)
    assert made.notes["steps"] == 4 and made.notes["images"] == [SPLITS.count("train")] and made.notes["bone"] == 0.095
    assert made.network.config == tiny().network


def test_waiting_for_data_is_told_from_work_and_looks(monkeypatch, tmp_path):
    """Each takes at least a pause, however busy the machine is."""
    pause, began = 0.2, []

    def slow(kind: type, name: str) -> None:
        before = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda *words: time.sleep(pause) or before(*words))

    batches, start = Steps.__iter__, Reports.on_train_start
    monkeypatch.setattr(Steps, "__iter__", lambda steps: (time.sleep(pause) or one for one in batches(steps)))
    monkeypatch.setattr(Reports, "on_train_start", lambda *words: began.append(time.monotonic()) or start(*words))
    slow(Learner, "training_step")
    slow(Look, "__call__")
    train(tiny("report.validation=1", "report.metrics=4"), str(dataset()), tmp_path)
    whole = time.monotonic() - began[0]
    (line,) = [line for line in lines(tmp_path) if "loss" in line]
    seconds = 4 * tiny().optimiser.batch / line["samples_per_second"]
    waited = seconds * line["waiting_percent"] / 100
    assert 3 * pause < waited * 1.01, "the first batch comes before the training"
    assert waited < seconds - 4 * pause * 0.99 and seconds < whole - 4 * pause * 0.99


def test_a_training_that_goes_on_ends_in_the_same_weights(whole, tmp_path):
    """With another number of workers."""
    train(tiny(), str(dataset()), tmp_path, resumed=whole / "checkpoints" / "step-00000002.ckpt")
    assert torch.equal(weights(whole), weights(tmp_path))
    assert [line["step"] for line in lines(tmp_path) if "loss" in line] == [4]


def test_a_training_killed_behind_its_last_checkpoint_ends_all_the_same(whole, tmp_path):
    train(tiny("report.validation=0"), str(dataset()), tmp_path, resumed=newest(whole))
    (end,) = lines(tmp_path)
    assert end == end | {"step": 4, "finished": True} and end["seconds"] > 0


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGKILL])
def test_a_training_that_is_stopped_or_killed_goes_on(asked, tmp_path):
    """SIGTERM saves first; what was killed goes on from the last checkpoint on its disk."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = ["--dataset", str(dataset()), "--out", str(tmp_path), "--batch-scale", "0.5"]
    every = 100_000 if asked is signal.SIGTERM else 3
    settings = [*TINY, "optimiser.batch=4", "report.validation=0", f"report.checkpoint={every}", "data.workers=1"]
    command = [sys.executable, "-m", "tasks.transhand.training.trainer", *words]
    command += [word for one in settings for word in ("--set", one)]
    endless = subprocess.Popen(
        [*command, "--set", "optimiser.steps=100000"], env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + PATIENCE
    while not (newest(tmp_path) if asked is signal.SIGKILL else (tmp_path / "metrics.jsonl").exists()):
        assert endless.poll() is None and time.monotonic() < deadline, endless.communicate()[1]
        time.sleep(0.1)
    endless.send_signal(asked)
    said = endless.communicate(timeout=PATIENCE)[1]
    assert endless.returncode == (0 if asked is signal.SIGTERM else -signal.SIGKILL), said
    reached = step_of(newest(tmp_path))
    if asked is signal.SIGTERM:
        assert reached == lines(tmp_path)[-1]["step"] and "finished" not in lines(tmp_path)[-1]
    subprocess.run(
        [*command, "--set", f"optimiser.steps={reached + 2}"], env=environment, check=True, capture_output=True
    )
    end = lines(tmp_path)[-1]
    assert end == end | {"step": reached + 2, "finished": True} and is_finished(tmp_path)


def test_a_damaged_checkpoint_is_passed_over(whole, tmp_path):
    shutil.copytree(whole / "checkpoints", tmp_path / "checkpoints")
    last = tmp_path / "checkpoints" / "step-00000004.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    assert newest(tmp_path).name == "step-00000002.ckpt"


@pytest.mark.parametrize(
    "other", ["network.image_width=16", "network.correlation=false", "network.train_upsampling=true"]
)
def test_a_checkpoint_of_another_network_is_refused(whole, other, tmp_path):
    with pytest.raises(InputError, match=r"holds a training of a network of other sizes; give the same section"):
        train(tiny(other), str(dataset()), tmp_path, resumed=newest(whole))


def test_half_precision_learns_too(tmp_path):
    """Surfaces and losses stay in float32 all the same."""
    train(tiny("optimiser.precision=bfloat16", "optimiser.ema=0"), str(dataset()), tmp_path)
    told = [line["loss"] for line in lines(tmp_path) if "loss" in line]
    assert len(told) == 2 and all(map(math.isfinite, told)) and is_finished(tmp_path)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    with pytest.raises(FloatingPointError, match="a lower optimiser"):
        train(tiny("optimiser.learning_rate=1e30", "optimiser.steps=20", "optimiser.ema=0"), str(dataset()), tmp_path)


@pytest.mark.parametrize("losses", ["paper", "released"])
def test_a_few_images_are_learnt_by_heart(losses, hands):
    """The loss of two still images falls by far, whichever terms it has, with a trained U."""
    released = load_training(recipe("released")).losses
    assert released == LossConfig.released()
    config = tiny(
        "network={image_size: 32, backbone: {name: tiny}, image_width: 16, widths: [64, 32, 16], heads: 2, perceptrons: 1, "
        "dropout: 0.0, train_upsampling: true}",
        "augmentation={rotation_degrees: 0, scale: 0, flip: 0}",
    )
    config = config.model_copy(update={"losses": LossConfig.paper() if losses == "paper" else released})
    learner = Learner(config, new_network(config, hands), hands, 2)
    examples = Preparation.on("cpu", hands, 0.095)(images()[:2], config.augmentation.ranges(32), torch.Generator())
    adam = torch.optim.Adam(learner.network.parameters(), 3e-3)
    told = []
    for step in range(80):
        adam.zero_grad()
        prediction = learner.network(examples.image)
        terms = learner.losses(prediction, examples.targets, step / 80, learner.change_of_upsampling())
        sum(terms.values()).backward()
        adam.step()
        told.append(sum(value.item() for name, value in terms.items() if name not in ("edge", "upsampling")))
    assert min(told[-5:]) < told[0] / 4


# --- what it begins with


def test_a_second_stage_begins_with_the_weights_of_the_first(whole, hands, tmp_path):
    network = new_network(tiny(f"init={whole}"), hands)
    assert all(
        torch.equal(value, network.state_dict()[name]) for name, value in load(whole).network.state_dict().items()
    )
    trained = new_network(tiny(f"init={whole}", "network.train_upsampling=true"), hands)
    assert torch.equal(trained.upsampling, trained.meshes.upsampling)
    for settings, sentence in (
        ((f"init={whole}", "network.image_width=16"), "is a network of other sizes"),
        (("init=nowhere",), "no checkpoint of TransHand"),
        (("network.backbone.name=/nowhere",), "network.backbone.name is '/nowhere'"),
    ):
        with pytest.raises(InputError, match=sentence):
            new_network(tiny(*settings), hands)


def test_first_weights_follow_from_the_seed_alone(hands):
    one, same, other = (new_network(tiny(f"seed={seed}"), hands).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["heads.coordinates.weight"], other["heads.coordinates.weight"])


# --- rates, recipes, refusals


def test_the_rate_rises_falls_and_keeps_above_its_floor():
    wish = load_training(recipe("released")).optimiser
    rates = [rate_at(step, 1000, wish) for step in (0, 14, 15, 409, 410, 809, 810, 999)]
    assert rates == pytest.approx([1 / 15, 1, 1, 1, 0.1, 0.1, 0.05, 0.05])
    paper = load_training(recipe("paper")).optimiser
    assert [rate_at(step, 200, paper) for step in (0, 149, 150, 199)] == [1.0, 1.0, 0.1, 0.1]
    assert (paper.batch, paper.learning_rate, paper.weight_decay) == (64, 1e-4, 0.0)
    assert steps_of(paper, 366_358) == 200 * (366_358 // 64)
    assert epochs_of(10, OptimiserConfig(batch=8), 40) == 2 and epochs_of(10, OptimiserConfig(batch=8), 4) == 10


def test_recipes_can_be_read_and_others_are_named():
    names = {file.stem for file in recipe("smoke").parent.glob("*.yaml")} - {IMAGES}
    for_two_cores = ("small", "pretrained")
    read = {name: load_training(recipe(name)) for name in names}
    assert not read["no-ce"].network.correlation and read["subset"].data.share == 0.1
    assert all(
        one.losses == LossConfig.paper() for name, one in read.items() if name not in ("released", *for_two_cores)
    )
    for name in for_two_cores:
        assert read[name].losses == replace(LossConfig.paper(), vertices_2d=5, joints_2d=5)
    assert TransHandJobConfig(dataset="x", out="y", config="no-ce").config == recipe("no-ce")
    with pytest.raises(InputError, match="'huge' is no recipe; there are finetune, mixed, no-ce, paper"):
        recipe("huge")
    page = (Path(__file__).parents[2] / "docs" / "transhand.md").read_text()
    assert not [name for name in names if f"`{name}`" not in page]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("network.image_size=100",), "network.image_size is 100"),
        (("network.size=3",), "network.size: unknown key"),
        (("losses.joints=-1",), "losses.joints is -1"),
        (("augmentation.rotation_degrees=200",), "augmentation.rotation_degrees"),
        (("optimiser={steps: 5, warmup: 5}",), "optimiser.warmup is 5"),
        (("data.share=0",), "data.share"),
        (("data.mix=[{place: a, ration: 1}]",), "data.mix.0.ration: unknown key"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(overrides, sentence):
    with pytest.raises(InputError) as refused:
        load_training(None, overrides)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_wrong_settings_and_sources_are_refused_before_a_process_starts(tmp_path):
    job = lambda *overrides: TransHandJobConfig(  # noqa: E731
        dataset=str(dataset()), out=tmp_path / "out", config="smoke", overrides=overrides
    )
    with pytest.raises(InputError, match="unknown key"):
        check_images(TRANSHAND, job("optimiser.bach=3"))
    with pytest.raises(InputError, match="is not a dataset"):
        check_images(TRANSHAND, job(f"data.mix=[{{place: {tmp_path}}}]"))
    judged = lambda place: job().model_copy(update={"evaluate_on": place})  # noqa: E731
    for place, sentence in (
        ("/nowhere", "is not a dataset"),
        (f"hic={tmp_path}", "holds no IJCV16"),
        ("coco=/nowhere", "'coco'"),
    ):
        with pytest.raises(InputError, match=sentence):
            check_images(TRANSHAND, judged(place))
    assert check_images(TRANSHAND, judged(str(dataset()))).rows == len(SPLITS)
    one, two = (check_images(TRANSHAND, job(*more)) for more in ((), (f"data.mix=[{{place: {dataset()}}}]",)))
    assert set(one.runs) == set(two.runs) and (one.rows, two.rows) == (len(SPLITS), 2 * len(SPLITS))
    assert check_images(Trainer("other", "other.module", "images"), job("waits=3")).runs == one.runs
    assert not (tmp_path / "out").exists()
    TRANSHAND.check()


# --- the flow


def test_the_flow_trains_on_two_devices_and_writes_a_card(tmp_path):
    overrides = [NETWORK, "optimiser={batch: 4, steps: 2, ema: 0}", "report.validation=2", "report.pictures=1"]
    job = {"dataset": str(dataset()), "out": str(tmp_path), "processes": 2, "overrides": overrides, "config": "smoke"}
    result = train_without_server({**job, "images": 4})
    assert result == train_without_server({**job, "images": 4}), "the same command again does nothing"
    assert result.finished and result.checkpoint.name == "step-00000002.ckpt"
    card = (tmp_path / "README.md").read_text()
    assert "2 steps of 4 images (2.0 epochs)" in card and "4 images are few" in card
    (judged,) = (tmp_path / "evaluation").glob("*/metrics.json")
    found = json.loads(judged.read_text())
    assert found["images"] == 1 and f"| MPJPE | {found['metrics']['mpjpe_middle_mm']['mean']:.2f} |" in card
    assert "(sheet.jpg)" in card and (tmp_path / "sheet.jpg").exists() and "learnt: 4 images; checksum" in card
    assert f"({judged.parent.relative_to(tmp_path)}/best_and_worst.jpg)" in card
    assert judged.with_name("best_and_worst.jpg").is_file()
    assert "{" not in card and load(tmp_path).notes["samples"] == 4

"""Training IHDiff: order, rate, resume, reports; and the whole flow once, with a network that learns nothing much."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import load_hands
from dataset.errors import InputError
from flows.train_ihdiff import train_without_server
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose, mirrored_hands
from models.ihdiff.checkpoint import load, load_vae
from models.ihdiff.learning import Batch
from models.ihdiff.representation import COLUMNS, ROWS, surfaces
from tasks.ihdiff.sheets import write_poses
from tasks.ihdiff.training.config import IHDiffTraining, OptimiserConfig, load_training
from tasks.ihdiff.training.job_config import recipe
from tasks.ihdiff.training.learner import Batches
from tasks.ihdiff.training.trainer import learning_data, train
from tasks.lightning_training.config import rate_at, steps_of
from tasks.lightning_training.running import is_finished, moving_average, newest, step_of

TINY = (
    "network={width: 16, heads: 2, depth: 1, dropout: 0.1, shape_width: 8}",
    "vae={width: 16, heads: 2, layers: 1, latents: 2, dropout: 0.0, shape_width: 8}",
    "optimiser={batch: 8, steps: 6, learning_rate: 0.001, schedule: cosine, ema: 0.5}",
    "report={metrics: 2, checkpoint: 3, keep: 5, validation: 6, validation_poses: 4, samples: 2, sampling_steps: 2}",
)
PATIENCE = 180.0
"""Seconds that a test waits for something before it fails."""


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.fixture(scope="module")
def place(tmp_path_factory, hands) -> str:
    """The gestures whose hands touch, as a source that a training can name."""
    gestures = [gesture for gesture in load_gestures() if gesture.touching]
    poses = TwoHandPose.stack([gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT]) for gesture in gestures])
    file = tmp_path_factory.mktemp("poses") / "poses.parquet"
    write_poses(file, [gesture.name for gesture in gestures], poses, hands)
    return f"parquet={file}"


def tiny(*overrides: str) -> IHDiffTraining:
    return load_training(None, TINY + overrides)


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def weights(out: Path) -> torch.Tensor:
    return torch.cat([value.flatten() for value in load(out).network.state_dict().values()])


# --- what is learnt from, in which order, at which rate


def test_every_epoch_shows_each_pose_once_and_devices_share_a_step():
    data = Batch(torch.arange(20.0)[:, None, None].expand(20, ROWS, COLUMNS), torch.zeros(20, 20))
    config = tiny("optimiser.batch=8", "optimiser.steps=4")
    seen = [[part.x[:, 0, 0].tolist() for part in step] for step in Batches(data, config, 0, 0, 1, 2)]
    assert len(seen) == 4 and all(len(step) == 2 for step in seen)
    first, second = seen[0][0] + seen[0][1], seen[1][0] + seen[1][1]
    assert len(set(first + second)) == 16  # an epoch is two steps of 8
    assert seen[2] != seen[0]
    shares = [
        [number for part in next(iter(Batches(data, config, 1, rank, 2, 1))) for number in part.x[:, 0, 0].tolist()]
        for rank in (0, 1)
    ]
    assert sorted(shares[0] + shares[1]) == sorted(second)


def test_the_rate_follows_the_paper_or_a_cosine():
    paper = OptimiserConfig()
    assert [rate_at(step, 100, paper) for step in (0, 84, 85, 94, 95)] == [1.0, 1.0, 0.1, 0.1, 0.01]
    cosine = OptimiserConfig(schedule="cosine", warmup=10)
    assert rate_at(0, 100, cosine) == pytest.approx(0.1)
    assert rate_at(50, 100, cosine) == pytest.approx(0.5)
    assert rate_at(100, 100, cosine) == pytest.approx(0.0, abs=1e-9)
    assert steps_of(OptimiserConfig(epochs=3, batch=8), 20) == 6
    assert steps_of(OptimiserConfig(epochs=3, batch=8, steps=5), 20) == 5


def test_a_mirrored_pair_is_the_other_hand_in_the_mirror(hands):
    gesture = next(gesture for gesture in load_gestures() if gesture.touching)
    pose = gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT])
    mirrored = mirrored_hands(pose)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    for side in Side:
        image = mirrored.side(side).pose(hands[side]).vertices
        assert torch.allclose(image, pose.side(side.other).pose(hands[side.other]).vertices * flip, atol=1e-6)


def test_mirroring_doubles_what_is_learnt_from(place):
    plain, notes = learning_data(tiny(), place)
    both, _ = learning_data(tiny("data.mirror=true"), place)
    assert len(both.train.x) == 2 * len(plain.train.x) == 2 * notes["poses"]["train"] > 0
    held = [data.validation and len(data.validation.x) for data in (plain, both)]
    assert held[0] == held[1] == (min(4, notes["poses"]["validation"]) or None)
    scaled = plain.standard.scale(plain.train.x)
    assert scaled.mean(0).abs().max() < 1e-4
    raw, _ = learning_data(tiny("data.standardise=false"), place)
    assert (raw.standard.std == 1).all()
    torch.testing.assert_close(raw.standard.restore(raw.standard.scale(raw.train.x)), plain.train.x, rtol=0, atol=0)


# --- a training


@pytest.mark.parametrize("model", ["ihdiff", "vae"])
def test_a_training_leaves_what_the_contract_promises(model, place, tmp_path):
    train(tiny(f"model={model}"), place, tmp_path)
    told = lines(tmp_path)
    steps = [line for line in told if "loss" in line]
    assert [line["step"] for line in steps] == [2, 4, 6]
    terms = {"joints", "rotations", "vertices", "shape", "collision"} | ({"kl"} if model == "vae" else set())
    assert all(line["loss"] == pytest.approx(sum(line[f"loss/{name}"] for name in terms)) for line in steps)
    assert told[-1]["finished"] is True and told[-1]["total_steps"] == 6
    looks = [line for line in told if "val/loss" in line]
    assert len(looks) == 1 and looks[0]["val/samples_APD_mm"] > 0
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000003.ckpt",
        "step-00000006.ckpt",
    ]
    assert len(list((tmp_path / "pictures" / "00000006").glob("sample-*.png"))) == 2
    assert (tmp_path / "heartbeat").exists()
    made = (load if model == "ihdiff" else load_vae)(tmp_path)
    assert made.notes["steps"] == 6 and made.notes["poses"]["train"] > 0


def test_a_training_that_goes_on_ends_in_the_same_weights(place, tmp_path):
    config = tiny()  # with dropout
    train(config, place, tmp_path / "whole")
    resumed = tmp_path / "whole" / "checkpoints" / "step-00000003.ckpt"
    train(config, place, tmp_path / "cut", resumed=resumed)
    assert torch.equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_a_batch_in_parts_is_the_same_batch(place):
    config = tiny(
        "network.dropout=0.0", "optimiser.steps=1", "losses.collision=0", "report.validation=0", "optimiser.ema=0"
    )
    data, _ = learning_data(config, place)
    ((one,),), (parts,) = (list(Batches(data.train, config, 0, 0, 1, count)) for count in (1, 2))
    assert len(parts) == 2 and torch.equal(one.x, torch.cat([part.x for part in parts]))


def test_a_training_killed_behind_its_last_checkpoint_ends_all_the_same(place, tmp_path):
    config = tiny("report.validation=0", "losses.collision=0")
    train(config, place, tmp_path)
    told = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text("".join(told[:-1]))
    train(config, place, tmp_path, resumed=newest(tmp_path))
    end = lines(tmp_path)[-1]
    assert len(lines(tmp_path)) == len(told) and end == end | {"step": 6, "finished": True} and end["seconds"] > 0


def test_devices_have_as_many_parts_and_none_is_idle(place, tmp_path, monkeypatch):
    data = Batch(torch.zeros(20, ROWS, COLUMNS), torch.zeros(20, 20))
    config = tiny("optimiser.batch=10", "optimiser.steps=1")
    counts = [[len(part.x) for part in next(iter(Batches(data, config, 0, rank, 4, 3)))] for rank in range(4)]
    assert counts == [[2, 1], [2, 1], [1, 1], [1, 1]]
    monkeypatch.setenv("WORLD_SIZE", "9")
    with pytest.raises(InputError, match="a step has 8 hand pairs for 9 devices"):
        train(tiny(), place, tmp_path)


def test_the_average_of_a_short_training_is_not_what_it_began_with():
    average = moving_average(0.9999)._kwargs["avg_fn"]
    mean = torch.zeros(1)
    for seen in range(1, 100):
        mean = average(mean, torch.ones(1), torch.tensor(seen))
    assert 0.99 < mean.item() <= 1
    assert average(torch.zeros(1), torch.ones(1), torch.tensor(10**6)).item() == pytest.approx(1e-4, rel=1e-3)


def test_sigterm_saves_and_the_next_start_goes_on(place, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = ["--dataset", place, "--out", str(tmp_path), "--batch-scale", "1"]
    settings = [word for one in (*TINY, "report.validation=0", "report.checkpoint=100000") for word in ("--set", one)]
    command = [sys.executable, "-m", "tasks.ihdiff.training.trainer", *words, *settings]
    endless = subprocess.Popen(
        [*command, "--set", "optimiser.steps=100000"], env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "metrics.jsonl").exists():
        assert endless.poll() is None and time.monotonic() < deadline, endless.communicate()[1]
        time.sleep(0.1)
    endless.send_signal(signal.SIGTERM)
    assert endless.wait(PATIENCE) == 0, endless.communicate()[1]
    endless.communicate()
    reached = step_of(newest(tmp_path))
    assert reached == lines(tmp_path)[-1]["step"]
    subprocess.run(
        [*command, "--set", f"optimiser.steps={reached + 2}"], env=environment, check=True, capture_output=True
    )
    assert lines(tmp_path)[-1] == lines(tmp_path)[-1] | {"step": reached + 2, "finished": True}
    assert is_finished(tmp_path)  # another start would end at once


# --- what is refused


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("network.width=15",), "network.width is 15"),
        (("network.size=3",), "network.size: unknown key"),
        (("losses.joints=-1",), "losses.joints is -1"),
        (("optimiser.batch=0",), "optimiser.batch"),
        (("optimiser={steps: 5, warmup: 5}",), "optimiser.warmup is 5"),
        (("data.within_mm=0",), "data.within_mm"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(overrides, sentence):
    with pytest.raises(InputError) as refused:
        load_training(None, overrides)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_recipes_can_be_read_and_others_are_named():
    assert {load_training(recipe(name)).optimiser.batch for name in ("smoke", "small", "fast", "paper")} == {
        16,
        64,
        1024,
        32,
    }
    with pytest.raises(InputError, match="'huge' is no recipe; there are fast, paper, small, smoke"):
        recipe("huge")


def test_poses_of_no_use_are_one_sentence(hands, tmp_path):
    gesture = next(gesture for gesture in load_gestures() if not gesture.touching)
    pose = gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT])
    write_poses(tmp_path / "apart.parquet", ["apart"], pose, hands)
    with pytest.raises(InputError, match="IHDiff models hands in contact"):
        train(tiny(), f"parquet={tmp_path / 'apart.parquet'}", tmp_path / "out")


def test_a_loss_that_is_no_number_ends_the_training(place, tmp_path):
    with pytest.raises(FloatingPointError, match="a lower optimiser"):
        train(tiny("optimiser.learning_rate=1e30", "optimiser.clip=0", "optimiser.steps=50"), place, tmp_path)


# --- the flow


def test_the_flow_trains_samples_evaluates_and_writes_a_card(place, tmp_path):
    overrides = [*TINY, "optimiser.steps=3"]
    job = {"dataset": place, "out": str(tmp_path), "processes": 1, "overrides": overrides, "config": "smoke"}
    result = train_without_server({**job, "samples": 2, "sampling_steps": 2, "fits": 1, "fitting_steps": 2})
    assert result.finished and result.checkpoint.name == "step-00000003.ckpt"
    card = (tmp_path / "README.md").read_text()
    assert "samples/sheet.jpg" in card and (tmp_path / "samples" / "sheet.jpg").exists()
    assert "NN search" in card and "3 steps of 8 hand pairs" in card
    assert (tmp_path / "samples" / "poses.parquet").exists()
    again = train_without_server({**job, "samples": 2, "sampling_steps": 2, "fits": 1, "fitting_steps": 2})
    assert again.finished
    drawn, _ = learning_data(tiny(), place)
    meshes = surfaces(drawn.train.x[:2], drawn.train.betas[:2], drawn.hands)
    assert meshes.both.shape == (2, 1556, 3)

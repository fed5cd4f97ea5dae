"""Training the natural discriminator as a user does it, and the checkpoint that comes with the project."""

import json
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result

from dataset.assets.gestures import load_gestures
from flows.cli import main
from hands.gestures import gesture_pose
from hands.joints import Side
from models.descent import probability_of
from models.discriminator import default_checkpoint, discriminator_notes, load_discriminator
from models.naturalness import NaturalnessTraining
from tasks.natural_poses import collect_natural_poses
from tasks.naturalness_card import naturalness_card
from tasks.naturalness_figure import naturalness_figure
from tasks.train_naturalness import label_poses, split_poses, train_network

QUICK = ("--samples", "1000", "--epochs", "3", "--folds", "2")
FILES = ("README.md", "figures.svg", "metrics.json", "naturalness.safetensors")


def train(*words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, ["train", "naturalness", *map(str, words)])


@pytest.fixture(scope="module")
def committed() -> dict:
    """The figures of the checkpoint that comes with the project."""
    return json.loads(default_checkpoint().with_name("metrics.json").read_text())


def test_the_commands_explain_themselves():
    for words in (["train", "--help"], ["train", "naturalness", "--help"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0 and "natural" in result.output


def test_the_command_writes_a_checkpoint_with_its_card_twice_the_same(tmp_path):
    for folder in ("one", "two"):
        result = train("--out", tmp_path / folder, "--seed", "3", *QUICK)
        assert result.exit_code == 0, result.output
    assert str(tmp_path / "two" / "naturalness.safetensors") in result.output
    assert "area under curve natural or far" in result.output
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    load_discriminator(tmp_path / "one" / "naturalness.safetensors")
    notes = discriminator_notes(tmp_path / "one" / "naturalness.safetensors")
    assert (
        notes["seed"] == 3 and notes["config"]["samples"] == 1000 and "49 built-in gestures" in notes["data"]["about"]
    )
    assert "--seed 3 --samples 1000 --epochs 3 --folds 2" in (tmp_path / "one" / "README.md").read_text()
    assert str(tmp_path) not in (tmp_path / "one" / "README.md").read_text()


def test_the_built_in_checkpoint_is_what_the_command_makes(committed):
    source, config = collect_natural_poses([], None), NaturalnessTraining()
    trained = train_network(label_poses(split_poses(source, config, 0)[-1], config, 0), config, 0)
    remade = probability_of(trained.network, source.poses.angles)
    ours = probability_of(load_discriminator().double(), source.poses.angles)
    torch.testing.assert_close(remade, ours, atol=1e-4, rtol=0)
    assert committed["natural_poses"]["mean"] == pytest.approx(remade.mean().item(), abs=1e-4)


def test_the_built_in_checkpoint_its_card_and_its_figures_belong_together(committed):
    folder, notes = default_checkpoint().parent, discriminator_notes()
    assert (folder / "README.md").read_text() == naturalness_card(committed), "run: render-ih train naturalness"
    assert (folder / "figures.svg").read_text() == naturalness_figure(committed)
    assert notes["config"] == committed["config"] == json.loads(json.dumps(asdict(NaturalnessTraining())))
    assert notes["data"] == committed["data"] and notes["seed"] == committed["seed"] == 0
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300_000


def test_the_built_in_checkpoint_keeps_what_its_card_promises(committed):
    held_out, force = committed["held_out"], committed["force"]
    assert held_out["area_under_curve_natural_or_far"] > held_out["area_under_curve_of_nearest_pose"]
    assert held_out["area_under_curve_natural_or_far"] > 0.98 and held_out["expected_calibration_error"] < 0.1
    assert held_out["unseen_gestures_above_half"] > 0.95
    assert force["share_above_0.9_after"] > 0.9 and force["gradient_far_lowest_percent"] > 0.1
    assert force["nearest_natural_after"] < force["nearest_natural_before"] / 2


def recorded(path, hands, count: int) -> None:
    """A Parquet file of two-hand poses: the first gestures of the library."""
    right, left = hands[Side.RIGHT], hands[Side.LEFT]
    rows = []
    for gesture in load_gestures()[:count]:
        pose = gesture_pose(gesture, right, left)
        names = ("global_orient", "hand_pose", "betas", "transl")
        rows.append({str(s): {n: getattr(pose.side(s), n)[0].double().tolist() for n in names} for s in Side})
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_recordings_take_the_place_of_the_gestures(tmp_path, hands):
    recorded(tmp_path / "poses.parquet", hands, 6)
    source = collect_natural_poses([f"parquet={tmp_path / 'poses.parquet'}"] * 2, None)
    gestures = collect_natural_poses([], None)
    order = [row for pair in range(6) for row in (2 * pair, 2 * pair + 1)]
    torch.testing.assert_close(source.poses.angles[:12], gestures.poses.angles[order], atol=1e-5, rtol=0)
    assert len(source.poses) == 24 and len(source.poses.groups.unique()) == 24
    result = train("--poses", f"parquet={tmp_path / 'poses.parquet'}", "--out", tmp_path / "out", *QUICK)
    assert result.exit_code == 0, result.output
    card = (tmp_path / "out" / "README.md").read_text()
    assert "12 hands of parquet" in card and "licences of the recordings" in card and str(tmp_path) not in card


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--poses", "poses.parquet"), "must be KIND=PATH with one of the kinds"),
        (("--poses", "photos=somewhere"), "must be KIND=PATH with one of the kinds"),
        (("--poses", "parquet=nowhere"), "nowhere"),
        (("--folds", "50"), "come from 49 gestures or recordings, 50 or more are needed"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path, words, sentence):
    result = train("--out", tmp_path / "out", *words)
    assert result.exit_code == 2, result.output
    message = result.output.strip().splitlines()[-1]
    assert message.startswith("error: ") and sentence in message and "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    result = train("--out", tmp_path / "out", *QUICK)
    assert result.exit_code == 2 and "cannot be written" in result.output.strip().splitlines()[-1]


def test_under_prefect_every_step_is_recorded(tmp_path):
    from prefect.testing.utilities import prefect_test_harness

    from flows.train_naturalness import train_naturalness

    with prefect_test_harness(server_startup_timeout=180):
        config = NaturalnessTraining(samples=500, epochs=1, explorers=5, folds=2)
        state = train_naturalness(config, tmp_path / "flow", return_state=True)
        assert state.is_completed()
        assert state.result().checkpoint.is_file()

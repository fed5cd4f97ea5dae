"""Pages of trainings, how a training is, and its pictures."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from dashboard.training.job import TrainingHealth
from dashboard.training.watched import LINES, WatchedTraining
from dashboard.training.words import command
from tests.dashboard.serving import client_of, desk_of
from tests.dashboard.trainings import LINE, NOW, make, paint
from tests.flows import tiny_trainer


def seen(folder: Path, clock=lambda: 0.0) -> WatchedTraining:
    watched = WatchedTraining("one", folder, clock, lambda: NOW)
    watched.look()
    return watched


@pytest.mark.parametrize(
    ("lines", "attempts", "age", "health", "words"),
    [
        ([LINE], (), 10, "running", "runs"),
        ([], (), 10, "running", "no line of metrics yet"),
        ([LINE], (), 400, "quiet", "No sign of life for 6 min"),
        ([LINE], (), 1900, "stalled", "Start the same job again"),
        ([LINE], ("stopped",), 400, "stopped", "had time to save"),
        ([LINE], ("killed",), 400, "stopped", "took too long"),
        ([LINE], ("ended by itself",), 400, "stopped", "has not said that the training is complete"),
        ([LINE], ("stopped", "out of memory: CUDA"), 400, "failed", "Failed after 2 attempts: out of memory: CUDA"),
        ([LINE], ("crash: SIGSEGV",), 10, "running", "may be about to try again"),
        ([LINE, {"step": 6, "finished": True}], ("ended by itself",), 9000, "finished", "complete"),
    ],
)
def test_how_a_training_is(tmp_path, lines, attempts, age, health, words):
    state = seen(make(tmp_path / "one", lines, attempts, age=age)).state
    assert state.health.value == health and words in state.sentence


def test_the_job_says_how_long_silence_may_last(tmp_path):
    patient = make(tmp_path / "one", [LINE], age=1900, stall_minutes=60)
    assert seen(patient).state.health is TrainingHealth.QUIET


def test_a_heartbeat_alone_keeps_a_training_alive(tmp_path):
    now, folder = [0.0], make(tmp_path / "one", [LINE], age=10)
    watched = WatchedTraining("one", folder, lambda: now[0], lambda: NOW)
    watched.look()
    now[0] = 4000.0
    assert watched.look().health is TrainingHealth.STALLED
    before = watched.version
    (folder / "heartbeat").touch()
    assert watched.look().health is TrainingHealth.RUNNING and watched.version > before
    before = watched.version
    watched.look()
    assert watched.version == before, "nothing has changed"


def test_signs_of_life_after_a_failure_are_the_next_attempt(tmp_path):
    folder = make(tmp_path / "one", [LINE], ("out of memory: CUDA",), age=900)
    os.utime(folder / "training.log", (NOW - 30, NOW - 30))
    assert seen(folder).state.health is TrainingHealth.RUNNING


def test_time_left_by_the_pace_that_lines_tell_or_that_is_seen(tmp_path):
    lines = [{"step": k, "seconds": 2.0 * k, "total_steps": 1000} for k in range(1, 101)]
    state = seen(make(tmp_path / "told", lines)).state
    assert state.pace == pytest.approx(0.5) and state.left == pytest.approx(1800)
    now, folder = [0.0], make(tmp_path / "seen", [LINE], overrides=["model.size=2", "steps=105"])
    watched = WatchedTraining("one", folder, lambda: now[0], lambda: NOW)
    assert watched.look().left is None
    now[0] = 50.0
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 30}\n')
    assert watched.look().pace == pytest.approx(0.5) and watched.state.left == pytest.approx(150)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"network": 1, "dataset": 2, "attempts": 3}', "{" * 5000, "\x00"])
def test_a_damaged_note_is_a_sentence(tmp_path, damage):
    folder = make(tmp_path / "one", [LINE])
    (folder / "job.json").write_text(damage)
    with desk_of(tmp_path) as desk:
        answer = client_of(desk).get("/training/one")
    assert answer.status_code == 200 and "job.json cannot be read" in answer.text and "0.25" in answer.text


def test_the_log_is_shown_bounded_plain_and_escaped(tmp_path):
    bar = "10%\r 50%\rdone <script>alert(1)</script> \x1b[31mred\x1b[0m\n"
    folder = make(tmp_path / "one", [LINE], log="".join(f"line {k}\n" for k in range(20_000)) + bar + "y" * 5000)
    state = seen(folder).state
    assert len(state.lines) == LINES and state.lines[-2] == "done <script>alert(1)</script> red"
    assert len(state.lines[-1]) < 500 and state.lines[0] == f"line {20_000 - LINES + 2}"
    with desk_of(tmp_path) as desk:
        text = client_of(desk).get("/training/one").text
    assert "done &lt;script&gt;" in text and "<script>alert" not in text


def test_nothing_outside_of_the_folder_is_read(tmp_path):
    folder = make(tmp_path / "one", [LINE])
    (tmp_path / "private").write_text("a secret\n")
    for name in ("training.log", "metrics.jsonl"):
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / "private")
    state = seen(folder).state
    assert state.lines == () and state.faulty == 0 and state.step is None


def test_a_folder_that_goes_away_is_a_sentence(tmp_path):
    folder = make(tmp_path / "one", [LINE])
    watched = seen(folder)
    folder.rename(tmp_path / "elsewhere")
    state = watched.look()
    assert "not there any more" in state.trouble and state.step == 5


@pytest.fixture
def several(tmp_path):
    """A client over trainings of two networks, one of them with pictures at five steps."""
    lines = [{"step": k, "loss": 1 / k, "val/MPJPE_mm": 40 / k, "lr": 1e-4, "total_steps": 8} for k in range(1, 5)]
    one = make(tmp_path / "one", lines, ("out of memory: <b>",))
    for step in (10, 20, 30, 40, 50):
        paint(one / "pictures" / str(step), "a.prediction.jpg", "a.ground_truth.jpg", "b.prediction.jpg")
    make(tmp_path / "two", [{"step": 1, "loss": 3.0}])
    make(tmp_path / "three", [{"step": 1, "loss": 7.0}], network="IHDiff")
    with desk_of(tmp_path) as desk:
        yield client_of(desk)


def test_the_list_shows_all_and_compares_those_of_a_network(several):
    text = several.get("/training").text
    assert all(f'href="/training/{name}"' in text for name in ("one", "two", "three"))
    assert "10 mm" in text and "step 4 of 8" in text and "IHDiff" in text
    assert text.count("<time-series") == 1 and "&#34;one&#34;" in text and "&#34;two&#34;" in text
    alone = several.get("/training?compare=two,nobody,../x").text
    assert "&#34;one&#34;" not in alone and "&#34;two&#34;" in alone
    assert 'value="two" id="compare-two" aria-label="Compare two" checked' in alone


def test_a_training_shows_curves_figures_attempts_and_how_to_go_on(several):
    text = several.get("/training/one").text
    assert "50 %" in text and "best 10 at 4" in text and "GPU 0, 1" in text
    assert "out of memory: &lt;b&gt;" in text and "secret" not in text and "s3://hands/one" in text
    assert "train_without_server" in text and '<tr><td class="mono">val/MPJPE_mm</td>' in text
    assert " style=" not in text and "onclick" not in text
    assert several.get("/training/nobody").status_code == 404


def test_pictures_are_chosen_by_step_and_by_sample(several):
    newest = several.get("/training/one").text
    assert "/pictures/50/a.prediction.jpg" in newest and "follows the training" in newest
    second = several.get("/training/one?at=1&scale=log").text
    assert "/pictures/20/a.prediction.jpg" in second and "/pictures/50/" not in second
    assert "scale=log&amp;at=2#pictures" in second and "scale=log&amp;at=0#pictures" in second
    one = several.get("/training/one?sample=b").text
    assert (
        all(f"/pictures/{step}/b.prediction.jpg" in one for step in (10, 20, 30, 40, 50)) and "a.prediction" not in one
    )
    for odd in ("at=999", "at=-3", "at=x", "sample=nobody", "at=²", "sample=" + "z" * 3000):
        assert "/pictures/50/a.prediction.jpg" in several.get(f"/training/one?{odd}").text


def test_a_training_without_pictures_or_metrics_says_so(tmp_path):
    make(tmp_path / "one")
    with desk_of(tmp_path) as desk:
        text = client_of(desk).get("/training/one").text
    assert "Nothing has been measured yet" in text and "No pictures yet" in text and "No attempt has ended yet" in text


def test_without_any_training_the_page_says_how_to_start_one(tmp_path):
    with desk_of(tmp_path) as desk:
        text = client_of(desk).get("/training").text
    assert "No training is watched yet" in text and "train_without_server" in text and "has no trainer for" not in text


def test_the_command_says_what_is_not_usual_and_runs_as_python(tmp_path):
    odd = 'it\'s "odd"; $(rm)'
    folder = make(tmp_path / "one", max_hours=2.5, retries=3, overrides=[f"name={odd}", "wandb_api_key=abc"])
    told = command(seen(folder).state)
    assert "retries" not in told and "abc" not in told
    words = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {told}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words[:2] == ["python", "-c"]
    imported, call = words[2].split("; ", 1)
    assert imported == "from flows.train_transhand import train_without_server as train"
    given = eval(call, {"train": lambda config: config})
    expected = {"dataset": "out/demo", "out": str(folder), "max_hours": 2.5}
    assert given == expected | {"overrides": [f"name={odd}", "wandb_api_key=…"]}


def test_what_the_natural_discriminator_leaves_is_shown(tmp_path):
    figures = {
        "data": {"about": "both hands of 49 built-in gestures"},
        "seed": 0,
        "config": {"epochs": 3, "folds": 4},
        "curve": {"training": [0.9, 0.5, 0.25], "held_out": [0.8, 0.625, 0.7]},
        "held_out": {"area_under_curve_natural_or_far": 0.9931},
    }
    (tmp_path / "metrics.json").write_text(json.dumps(figures))
    (tmp_path / "naturalness.safetensors").touch()
    with desk_of(tmp_path) as desk:
        text = client_of(desk).get(f"/training/{next(iter(desk.catalogue.trainings))}").text
    assert "Natural discriminator" in text and "best 0.625 at 2" in text and "area under curve natural or far" in text


def test_what_a_trainer_writes_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(tiny_trainer.dist, "get_world_size", lambda: 1)
    (tmp_path / "one").mkdir()
    for step in (1, 2, 3):
        tiny_trainer.write(tmp_path / "one", torch.nn.Linear(4, 1), step, 1 / step, step == 3)
    with desk_of(tmp_path) as desk:
        text = client_of(desk).get("/training/one").text
        state = desk.catalogue.trainings["one"].state
    assert state.health is TrainingHealth.FINISHED and state.step == 3
    assert state.checkpoint == "step-00000003.safetensors" and state.checkpoints == 3
    assert "0.3333" in text and "finished" in text and "There is no job.json" in text

"""Training jobs as a node runs them: real torchrun, gloo processes on the CPU, a trainer of one linear layer."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import write_shard
from flows import train_ihdiff, train_transhand
from tasks.training_job.config import TrainingJobConfig
from tasks.training_job.failures import TrainingError, TrainingFailure
from tasks.training_job.job import TrainingDataset, TrainingResult, open_job
from tasks.training_job.trainer import Trainer
from tests.dataset.synthetic import rejected_row

TINY = Trainer("IHDiff", "tests.flows.tiny_trainer", "rejected")
PATIENCE = 120.0
"""Seconds that a test waits for something before it fails."""
RUN = """
import json, sys
from flows import train_ihdiff
from tasks.ihdiff.training.job_config import IHDiffJobConfig
from tests.flows.test_training_job import TINY
train_ihdiff.IHDIFF = TINY
config = IHDiffJobConfig(**json.loads(sys.argv[1]))
getattr(train_ihdiff, sys.argv[2])(config)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A finished dataset with a table of a few rows."""
    folder = tmp_path_factory.mktemp("data")
    manifest = Manifest.open(folder, {"seed": 1})
    rows = [rejected_row(number) for number in range(3)]
    manifest.add("rejected", write_shard(manifest.path("rejected", "00000"), rows, TABLES["rejected"]))
    manifest.finish({"train": {}})
    return folder


@pytest.fixture
def train(monkeypatch, data, tmp_path) -> Callable[..., TrainingResult]:
    """Run the flow in this process, with the tiny trainer in the place of IHDiff's."""
    monkeypatch.setattr(train_ihdiff, "IHDIFF", TINY)

    def train(*overrides: str, **values) -> TrainingResult:
        return train_ihdiff.train_without_server(settings(data, tmp_path / "out", *overrides, **values))

    return train


def settings(data: Path, out: Path, *overrides: str, **values) -> dict:
    """A job of one process, as plain values."""
    return {"dataset": str(data), "out": str(out), "processes": 1, "overrides": list(overrides)} | values


def start(values: dict, function: str = "train_without_server", **environment: str) -> subprocess.Popen:
    """Run the flow in a process of its own."""
    # A shell starts background jobs with signals ignored, and children inherit that.
    heeding = "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
    command = [sys.executable, "-c", heeding + RUN, json.dumps(values), function]
    return subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], object], process: subprocess.Popen) -> None:
    """Wait for something that a running job brings about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.05)


def metrics(out: Path) -> list[dict]:
    """All lines of the metrics."""
    file = out / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def endings(out: Path) -> list[str]:
    """How the attempts ended, in the job's file."""
    return [attempt["ending"] for attempt in json.loads((out / "job.json").read_text())["attempts"]]


# --- what is refused before any work


@pytest.mark.parametrize(
    ("flow", "network"), [(train_ihdiff.train_ihdiff, "IHDiff"), (train_transhand.train_transhand, "TransHand")]
)
def test_a_network_without_trainer_is_one_honest_sentence(flow, network, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.training_job.trainer.find_spec", lambda name: None)
    with pytest.raises(InputError) as refused:
        flow.fn(settings(tmp_path / "nowhere", tmp_path / "out"))
    assert str(refused.value) == f"this version of render-ih has no trainer for {network} yet"
    assert not (tmp_path / "out").exists()
    assert flow.name == f"train-{network.lower()}"


def test_a_trainer_whose_package_is_missing_counts_as_none_and_what_it_lacks_is_said(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no trainer for Nobody"):
        Trainer("Nobody", "models.nobody.train", "poses").check()
    (tmp_path / "needy").mkdir()
    (tmp_path / "needy" / "__init__.py").write_text("import what_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_is_not_installed"):
        Trainer("Needy", "needy.train", "poses").check()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"speed": 3}, "parameter config: speed: unknown key (given: 3)"),
        ({"retries": -1}, "parameter config: retries: Input should be greater than or equal to 0 (given: -1)"),
        ({"dataset": None}, "parameter config: dataset: Input should be a valid string"),
        ({"nodes": 2}, "2 nodes need rendezvous=HOST:PORT"),
        ({"rendezvous": "here:29500"}, "one node meets no other"),
        ({"overrides": ["steps"]}, "override 'steps' must be KEY=VALUE"),
        ({"config": "nowhere.yaml"}, "nowhere.yaml is no file"),
    ],
)
def test_a_bad_configuration_is_one_sentence(train, tmp_path, values, sentence):
    with pytest.raises(InputError) as refused:
        train(**values)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_only_a_finished_dataset_with_the_table_is_learned_from(train, data, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is not a dataset"):
        train(dataset=str(tmp_path))
    Manifest.open(tmp_path / "begun", {"seed": 1})
    with pytest.raises(InputError, match="is not finished"):
        train(dataset=str(tmp_path / "begun"))
    monkeypatch.setattr(train_ihdiff, "IHDIFF", replace(TINY, table="poses"))
    with pytest.raises(InputError, match="has no poses, which IHDiff learns from"):
        train()
    assert not (tmp_path / "out").exists()


def test_one_job_at_a_time_and_only_the_training_that_is_there(data, tmp_path):
    config = TrainingJobConfig.model_validate(settings(data, tmp_path / "out"))
    content = TrainingDataset(str(data), ("a run",), 3)
    with open_job(TINY, config, content), pytest.raises(InputError, match="another training job is writing here"):
        open_job(TINY, config, content).__enter__()
    with pytest.raises(InputError, match="holds a training of IHDiff; give TransHand another folder"):
        open_job(replace(TINY, network="TransHand"), config, content).__enter__()
    with open_job(TINY, config, replace(content, runs=("what the trainer refused, mended",))):
        pass  # nothing was learnt yet
    with open_job(TINY, config, content) as job:
        (job.out / "checkpoints").mkdir()
        (job.out / "checkpoints" / "step-00000001.safetensors").touch()
    with pytest.raises(InputError, match="holds a training on another dataset"):
        open_job(TINY, config, replace(content, runs=("another run",))).__enter__()
    with open_job(TINY, config, replace(content, runs=("a run", "a run that was appended"))):
        pass
    (tmp_path / "out" / "job.json").write_text("{")
    with pytest.raises(InputError, match=r"job.json: is damaged"):
        open_job(TINY, config, content).__enter__()


def test_each_node_of_a_job_takes_a_place_in_its_folder(data, tmp_path):
    config = TrainingJobConfig.model_validate(settings(data, tmp_path / "out", nodes=2, rendezvous="127.0.0.1:29500"))
    content = TrainingDataset(str(data), ("a run",), 3)
    with open_job(TINY, config, content) as first, open_job(TINY, config, content) as second:
        assert first.log != second.log
        with pytest.raises(InputError, match="another training job is writing here"):
            open_job(TINY, config, content).__enter__()


# --- real torchrun


def test_a_stopped_job_saves_and_the_next_one_goes_on(train, data, tmp_path):
    out = tmp_path / "out"
    process = start(settings(data, out, "steps=100000", "pause=0.05", processes=2))
    until(lambda: len(metrics(out)) >= 2, process)
    with pytest.raises(InputError, match="another training job is writing here"):
        train("steps=1")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGTERM and "told to save and end within 25 s" in said
    assert endings(out) == ["stopped"]
    before = metrics(out)
    reached = before[-1]["step"]
    assert not before[-1]["finished"] and before[-1]["world"] == 2
    assert sorted((out / "checkpoints").iterdir())[-1].name == f"step-{reached:08d}.safetensors"
    result = train(f"steps={reached + 2}", processes=2)
    assert [line["step"] for line in metrics(out)] == list(range(1, reached + 3))
    assert result.finished and result.metrics == metrics(out)[-1] and result.metrics["world"] == 2
    assert result.checkpoint == out / "checkpoints" / f"step-{reached + 2:08d}.safetensors"
    assert f"going on from step {reached}" in (out / "training.log").read_text()
    written = json.loads((out / "job.json").read_text())
    assert written["result"] == result.as_json() and endings(out) == ["stopped", "ended by itself"]


def test_when_the_hours_are_over_the_job_ends_unfinished(train, tmp_path):
    result = train("steps=100000", "pause=0.05", max_hours=3 / 3600)
    assert not result.finished and endings(tmp_path / "out") == ["stopped"]


def test_out_of_memory_halves_what_lies_on_a_device(train, tmp_path, capfd):
    result = train("fault=memory")
    assert result.finished
    attempts = json.loads((tmp_path / "out" / "job.json").read_text())["attempts"]
    assert [attempt["batch_scale"] for attempt in attempts] == [1.0, 0.5]
    assert attempts[0]["ending"].startswith("out of memory: RuntimeError: ") and "allocate" in attempts[0]["ending"]
    assert "trying again: 1 process on cpu, 0.5 of the batch on a device at once" in capfd.readouterr().err


def test_the_same_error_twice_ends_the_job_with_its_last_line(train, tmp_path):
    with pytest.raises(TrainingError) as failed:
        train("fault=error")
    log = tmp_path / "out" / "training.log"
    assert str(failed.value) == (
        f"IHDiff: error in the trainer, the same twice: ValueError: the loss is not a number; the whole log is {log}"
    )
    assert log.read_text().count("Traceback (most recent call last)") >= 2


def test_a_silent_trainer_is_killed_and_started_again(train, tmp_path):
    result = train("fault=silent", stall_minutes=0.1)
    assert result.finished
    assert endings(tmp_path / "out") == ["stalled: no sign of life for 0.1 minutes", "ended by itself"]
    assert "tiny_trainer.py" in (tmp_path / "out" / "training.log").read_text(), "where it stood"


def test_a_trainer_that_does_not_heed_sigterm_is_killed_after_its_grace(data, tmp_path):
    out = tmp_path / "out"
    process = start(settings(data, out, "fault=deaf", grace_seconds=1, processes=2))
    until((out / "deaf").exists, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGTERM and "has not ended within 1 s and is killed" in said
    assert not psutil.wait_procs(family, timeout=PATIENCE)[1]


def test_nothing_is_left_when_the_job_itself_is_killed(data, tmp_path):
    out = tmp_path / "out"
    process = start(settings(data, out, "steps=100000", "pause=0.05", processes=2))
    until(lambda: metrics(out), process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert sum("tiny_trainer" in " ".join(one.cmdline()) for one in family) == 3, "torchrun and two trainers"
    process.kill()
    assert not psutil.wait_procs(family, timeout=PATIENCE)[1]
    process.communicate()


def test_two_nodes_train_together(data, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = settings(data, tmp_path / "out", nodes=2, rendezvous=f"127.0.0.1:{port}")
    nodes = [start(values), start(values)]
    said = [node.communicate(timeout=PATIENCE)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert [line["world"] for line in metrics(tmp_path / "out")] == [2, 2, 2]
    assert {path.name for path in (tmp_path / "out").glob("*.log")} == {"training.log", "training-1.log"}


def test_under_prefect_steps_and_lines_are_recorded_and_cancelling_saves(data, tmp_path):
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    out = tmp_path / "out"
    with prefect_test_harness(server_startup_timeout=180):
        values = settings(data, out, "steps=100000", "pause=0.05")
        process = start(values, "train_ihdiff", PREFECT_API_URL=PREFECT_API_URL.value())
        until(lambda: len(metrics(out)) >= 2, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        assert "told to save and end" in said and endings(out) == ["stopped"]
        with get_client(sync_client=True) as client:
            (run,) = client.read_flow_runs()
            assert run.state.is_crashed() and run.parameters["config"]["out"] == str(out)
    assert (out / "checkpoints" / f"step-{metrics(out)[-1]['step']:08d}.safetensors").is_file()


def test_metrics_and_checkpoints_survive_what_was_cut_off(data, tmp_path):
    with open_job(
        TINY, TrainingJobConfig.model_validate(settings(data, tmp_path / "out")), TrainingDataset("", (), 1)
    ) as job:
        assert job.metrics() == {} and job.checkpoint() is None
        (job.out / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n[3]\n{"ste')
        (job.out / "checkpoints").mkdir()
        for name in ("step-09", "step-10", ".step-11.node-123.partial"):
            (job.out / "checkpoints" / name).touch()
        assert job.metrics() == {"step": 2} and job.checkpoint().name == "step-10"


def test_every_key_is_described():
    page = (Path(__file__).parents[2] / "docs" / "training-jobs.md").read_text()
    assert not [name for name in TrainingJobConfig.model_fields if f"`{name}`" not in page]
    assert not [failure for failure in TrainingFailure if f"| {failure} |" not in page]

"""Lines about the work: for people as ever, for machines as JSON that says where each comes from."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from dataset.errors import InputError
from tasks import progress
from tasks.observing import log
from tasks.observing.context import surroundings, within
from tasks.observing.log import Allowance
from tasks.progress import bar, say
from tasks.sharing.share import help_out, lead
from tests.flows.observed_run import POSES, SHARDS, begun, make, stage


def parsed(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_people_read_sentences(capsys, monkeypatch):
    monkeypatch.delenv(log.VARIABLE, raising=False)
    say("Drawing on CPU", device="CPU")
    with bar("Checking", 3, "poses") as advance:
        advance(3)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "Drawing on CPU" and second.startswith("Checking: 3 poses in ")


def test_machines_read_json_that_says_where_a_line_comes_from(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(log.VARIABLE, "json")
    run = begun(tmp_path / "dataset")
    lead(run, stage())
    lines = parsed(capsys.readouterr().err)
    about = {"run": run.manifest.config_sha256[:16], "dataset": run.store.url, "stage": "poses", "worker": "anna"}
    assert all(about.items() <= line.items() for line in lines)
    said = [line for line in lines if line["message"].startswith("made")]
    assert [(line["shard"], line["figures"]) for line in said] == [(shard, {"rows": POSES}) for shard in SHARDS]
    bars = [line for line in lines if line["message"].startswith("Making poses: 3 poses in")]
    assert [line["shard"] for line in bars] == SHARDS
    assert all(line["figures"]["count"] == POSES and line["figures"]["seconds"] >= 0 for line in bars)
    assert {line["level"] for line in lines} == {"info"} and all(line["time"].endswith("+00:00") for line in lines)


def test_trouble_is_told_as_a_warning(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(log.VARIABLE, "json")
    tries = []

    def fragile(run, shard, attempt):
        tries.append(shard)
        if len(tries) == 1:
            raise RuntimeError("the wheel came off")
        make(run, shard, attempt)

    lead(begun(tmp_path / "dataset"), stage(fragile))
    (warning,) = [line for line in parsed(capsys.readouterr().err) if line["level"] == "warning"]
    assert "the wheel came off" in warning["message"] and warning["shard"] == tries[0]


def test_processes_may_share_a_file_while_people_read_on(tmp_path, capsys, monkeypatch):
    file = tmp_path / "run.jsonl"
    monkeypatch.setenv(log.VARIABLE, str(file))
    runs = [begun(tmp_path / "dataset", worker) for worker in ("anna", "ben")]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(lead, runs[0], stage()), pool.submit(help_out, runs[1], stage())]
        [job.result() for job in jobs]
    lines = parsed(file.read_text())
    assert sorted(line["shard"] for line in lines if line["message"].startswith("Making")) == SHARDS
    assert {line["worker"] for line in lines} <= {"anna", "ben"}
    assert sum(line.startswith("made ") for line in capsys.readouterr().err.splitlines()) == len(SHARDS)


def test_a_file_that_cannot_be_written_is_told_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(log.VARIABLE, str(tmp_path / "no folder" / "run.jsonl"))
    for _ in range(3):
        say("on it goes")
    told = capsys.readouterr().err
    assert told.count("cannot be written (No such file or directory)") == 1 and told.count("on it goes") == 3


def test_another_form_is_refused_before_work_begins(tmp_path, monkeypatch):
    monkeypatch.setenv(log.VARIABLE, "jsno")
    with pytest.raises(InputError, match="RENDER_IH_LOG=jsno: say json, human, or a file that ends"):
        lead(begun(tmp_path / "dataset"), stage(lambda *_: pytest.fail("a shard was begun")))


def test_a_bar_says_now_and_then_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setenv(log.VARIABLE, "json")
    monkeypatch.setattr(progress, "EVERY", 0.0)
    with bar("Checking", 2, "poses") as advance:
        advance(1)
        advance(1)
    *between, last = parsed(capsys.readouterr().err)
    first = between[0]
    assert (first["level"], first["message"]) == ("debug", "Checking: 1/2 poses")
    assert first["figures"] == {"count": 1, "total": 2, "unit": "poses"} and last["level"] == "info"


def test_work_within_work_and_after_it():
    with within(run="r", stage="poses"):
        with within(shard="00001"):
            assert surroundings().names == {"run": "r", "stage": "poses", "shard": "00001"}
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(surroundings).result().names == {"run": "r", "stage": "poses"}
    assert surroundings().names == {}


def test_so_many_lines_pass_and_the_others_are_counted():
    now = [0.0]
    allowance = Allowance(2, 60.0, lambda: now[0])
    assert [allowance.take() for _ in range(5)] == [0, 0, None, None, None]
    now[0] = 61.0
    assert [allowance.take() for _ in range(3)] == [3, 0, None]

"""Runs without a server reach Prefect's database with true times and states, and never wait for it."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import psutil
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

import tasks.recording.run_flow
from dataset.errors import InputError
from tasks.recording.journal import Journal, host, in_use, kept
from tasks.recording.recorder import ABANDONED, NICE, _journals, keep_record, tell
from tasks.recording.run_flow import run_flow, server_fault
from tasks.recording.story import read_story
from tests.flows.recorded_flow import count, judge, toy
from tests.prefect_server import prefect_server

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Seconds for a recorder to end, which works only when nobody else wants to."""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[Path]:
    """A Prefect home of its own, for this process and its children, without a server."""
    for name in [name for name in os.environ if name.startswith("PREFECT")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with temporary_settings({PREFECT_HOME: tmp_path}, restore_defaults={PREFECT_API_URL}):
        yield tmp_path


@pytest.fixture
def started(monkeypatch) -> list[Path]:
    """The folders for which a recorder would have been started."""
    folders: list[Path] = []
    monkeypatch.setattr(tasks.recording.run_flow, "start_recorder", folders.append)
    return folders


def the_story(home: Path):
    """Of the only journal."""
    (journal,) = (home / "render-ih").glob("*.jsonl")
    return read_story(journal)


def test_a_run_is_plain_calls_and_a_journal(home, started):
    began = time.time()
    assert run_flow(toy, None, "well", number=4) == "well"
    story = the_story(home)
    assert [(step.name, step.number) for step in story.steps] == [("count", 0), ("count", 1), ("judge", 0)]
    assert story.run.name == "toy" and story.run.about["parameters"] == {"how": "well", "number": 4}
    times = [t for step in story.steps for t in (step.began, step.ending.at)]
    times = [story.run.began, *times, story.run.ending.at]
    assert (
        times == sorted(times) and began - 0.01 <= times[0].timestamp() and times[-1].timestamp() <= time.time() + 0.01
    )
    assert {entry.ending.state for entry in (story.run, *story.steps)} == {"Completed"}
    assert started == [home / "render-ih"]


def test_a_failure_is_told_as_it_was_said(home, started):
    with pytest.raises(InputError):
        run_flow(toy, None, "badly")
    story = the_story(home)
    assert [step.ending.state for step in story.steps] == ["Completed", "Completed", "Failed"]
    assert story.run.ending.state == "Failed" and story.run.ending.message.startswith("the hand has six fingers")


def test_ctrl_c_cancels(home, started, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt  # a signal's may be lost in a finaliser that happens to run

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_flow(toy, None, "well")
    story = the_story(home)
    assert story.run.ending.state == story.steps[0].ending.state == "Cancelled" and len(story.steps) == 1


def test_nothing_is_recorded_when_nothing_shall_be(home, started):
    assert run_flow(toy, False, "well") == "well"
    assert not started and not (home / "render-ih").exists()


def test_a_run_does_not_need_its_journal(home, started, capsys):
    (home / "render-ih").write_text("no folder")
    assert run_flow(toy, None, "well") == "well"
    assert "Prefect will not know of this run" in capsys.readouterr().err


def test_a_full_disk_costs_lines_of_the_journal_only(tmp_path):
    journal = Journal(tmp_path)
    limited = type("Full", (), {"write": lambda self, line: (_ for _ in ()).throw(OSError(28, "full"))})()
    with kept(journal), journal.entry("toy", version="", parameters={}):
        count(1)
        whole, journal._file = journal._file, limited
        count(2)
        journal._file = whole
        whole.write(b'\n{"id": "half a li')
        judge("well")
    told = [(step.name, step.ending.state) for step in read_story(journal.path).steps]
    assert told == [("count", "Completed"), ("judge", "Completed")]


def test_journals_of_other_machines_are_left_to_them_for_a_day(tmp_path):
    ours = tmp_path / f"{host()}.1.jsonl"
    theirs, old, begun = tmp_path / "elsewhere.2.jsonl", tmp_path / "elsewhere.3.jsonl", tmp_path / f".{host()}.4.jsonl"
    for path in (ours, theirs, old, begun):
        path.touch()
    os.utime(old, (0, time.time() - ABANDONED - 60))
    assert set(_journals(tmp_path)) == {ours, old}


@contextmanager
def listening(answers: bool) -> Iterator[str]:
    """URL of something on loopback that is healthy, or that takes calls and says nothing."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_: object) -> None:
            pass

    if answers:
        server = HTTPServer(("127.0.0.1", 0), Healthy)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()
        server.server_close()
    else:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield f"http://127.0.0.1:{silent.getsockname()[1]}/api"


@pytest.mark.parametrize("answers", [True, False])
def test_a_server_counts_when_it_answers_soon(home, answers):
    with listening(answers) as url, temporary_settings({PREFECT_API_URL: url}):
        assert bool(server_fault()) is not answers


def test_a_server_that_is_away_is_one_sentence(home, started, capsys):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
    with temporary_settings({PREFECT_API_URL: url}):
        assert run_flow(toy, None, "well") == "well"
        assert f"the Prefect server at {url} does not answer" in capsys.readouterr().err
        assert the_story(home).run.ending.state == "Completed"
        with pytest.raises(InputError, match="does not answer"):
            run_flow(toy, True, "well")
    with pytest.raises(InputError, match="no Prefect server is configured"):
        run_flow(toy, True, "well")


def test_what_cannot_be_told_stays(home, started, monkeypatch):
    run_flow(toy, None, "well")
    (journal,) = (home / "render-ih").glob("*.jsonl")
    nowhere = f"sqlite+aiosqlite:///{home / 'missing' / 'prefect.db'}"
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", nowhere)
    assert tell([journal]) == set() and journal.exists()


def command(how: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
    """A run as a user gives it, with its own recorder."""
    words, pipe = [sys.executable, "-m", "tests.flows.recorded_flow", how], subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def recorder_of(folder: Path) -> psutil.Process:
    """The process that waits for the runs of a folder."""
    asked = ["-m", "tasks.recording.recorder", str(folder)]
    (process,) = [found for found in psutil.process_iter(["cmdline"]) if (found.info["cmdline"] or [])[-3:] == asked]
    return process


def wait_for_end(process: psutil.Process) -> None:
    """Until it is gone, or waits for the run, which may be its parent, to take note of its end."""
    deadline = time.monotonic() + PATIENCE
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_recorder_is_modest_alone_and_ends_with_its_work(home):
    folder = home / "render-ih"
    run = command("forever")
    try:
        assert run.stdout.readline() == "waiting\n"
        recorder = recorder_of(folder)
        while recorder.num_fds() and not (folder / f"recorder-{host()}.lock").exists():
            time.sleep(0.05)
        assert recorder.nice() == os.nice(0) + NICE and os.getsid(recorder.pid) == recorder.pid
        keep_record(folder)  # a second one leaves: this comes back
        for journal in folder.glob("*.jsonl"):
            journal.unlink()
        wait_for_end(recorder)
    finally:
        run.kill()
        run.communicate()


def states(home: Path) -> list[tuple[str, str]]:
    """Of all runs and steps in the database."""
    with sqlite3.connect(home / "prefect.db") as database:
        runs = database.execute("SELECT 'run', state_name FROM flow_run").fetchall()
        return runs + database.execute("SELECT name, state_name FROM task_run ORDER BY start_time").fetchall()


def test_runs_are_in_prefect_afterwards(home, started):
    folder = home / "render-ih"
    journal = Journal(folder)
    with kept(journal), journal.entry("toy", version="1", parameters={}):  # one that works, looked at on the way
        count(1)
        assert in_use(journal.path) and tell([journal.path]) == {journal.path}
        assert states(home) == [("run", "Running"), ("count-0", "Completed")]
        count(2)
    waiting = command("forever")
    assert waiting.stdout.readline() == "waiting\n"
    recorder = recorder_of(folder)  # at its low priority it would keep a busy machine's tests waiting
    for process in (recorder, *recorder.children()):
        process.kill()
        wait_for_end(process)
    waiting.kill()
    waiting.communicate()
    killed = time.time()
    with pytest.raises(InputError):
        run_flow(toy, None, "badly")
    assert started == [folder]
    keep_record(folder)  # as the recorder of the last run would
    assert not list(folder.glob("*.jsonl"))

    with prefect_server(home) as server, httpx.Client(base_url=server.api, timeout=60) as api:
        on_server = command("badly", server.environment)
        _, said = on_server.communicate(timeout=PATIENCE)
        assert (
            "error: the hand has six fingers" in said and "Traceback" not in said and not list(folder.glob("*.jsonl"))
        )
        *runs, live = api.post("/flow_runs/filter", json={"sort": "START_TIME_ASC"}).json()
        steps = {run["id"]: _steps(api, run["id"]) for run in runs}
    assert [run["state_name"] for run in (*runs, live)] == ["Completed", "Crashed", "Failed", "Failed"]
    well, crashed, bad = (steps[run["id"]] for run in runs)
    assert [(s["name"], s["state_name"]) for s in well] == [("count-0", "Completed"), ("count-1", "Completed")]
    assert [s["state_name"] for s in crashed] == ["Completed", "Completed", "Crashed"]
    assert [(s["name"], s["state_name"]) for s in bad][2] == ("judge-0", "Failed")
    assert runs[2]["state"]["message"].startswith("the hand has six fingers") and runs[2]["parameters"] == {
        "how": "badly",
        "number": 1,
    }
    assert _at(runs[1]["end_time"]) < killed + 0.1  # when it was last seen, not when that was told
    for run in runs:
        times = [_at(entry[key]) for entry in steps[run["id"]] for key in ("start_time", "end_time")]
        times = [_at(run["start_time"]), *times, _at(run["end_time"])]
        assert times == sorted(times)


def _steps(api: httpx.Client, run: str) -> list[dict]:
    asked = {"task_runs": {"flow_run_id": {"any_": [run]}}}
    return sorted(api.post("/task_runs/filter", json=asked).json(), key=lambda step: step["start_time"])


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

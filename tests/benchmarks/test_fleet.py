"""Simulated runs: figures of tallies that are known, what is read from logs and databases, and the page's arithmetic."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fleet import verdict
from benchmarks.simulated.arithmetic import READS, WRITES, Job, page
from benchmarks.simulated.figures import asked, figures
from benchmarks.simulated.flows import STAGE, SimulatedRun
from benchmarks.simulated.nodes import environment, register
from benchmarks.simulated.tally import CountedStore, Tally, read_tallies
from benchmarks.simulated.watching import Trees, database_rows, requests
from dataset.manifest import Manifest
from dataset.storage.folder import FolderStore
from dataset.work import control
from tasks.config import RenderIHConfig
from tasks.limits import Watch
from tasks.sharing.share import help_out, lead

SCALE = Path(__file__).parents[2] / "docs" / "scale.md"


def tally(first: float, shards: int, work: float = 2.0, commit: float = 0.1, wait: float = 0.3) -> dict:
    """A worker that takes `work` s for a shard and loses `commit` and `wait` s with each."""
    taken = first + (work + commit + wait) * np.arange(shards)
    return {"taken": list(taken), "committed": list(taken + work + commit), "asked": {"read": shards, "create": 1}}


def test_figures_of_workers_whose_losses_are_known():
    tallies = [tally(110.0, 100), tally(113.0, 100), {"taken": [], "committed": [], "asked": {"read": 1}}]
    found = figures(tallies, workers=2, seconds=2.0, wished=100.0, ended=360.0)
    assert found.shards == 200 and found.waits == pytest.approx((0.3, 0.3, 0.3))
    assert found.start == pytest.approx(10) and found.joined == pytest.approx(13)
    assert found.end == pytest.approx(360 - (113 + 99 * 2.4 + 2.1))
    assert found.overhead == pytest.approx(0.4 - 0.3 / 100), "of the last shard no wait follows"
    assert found.steady == pytest.approx(0.4 / 2.4, abs=0.002)
    assert found.in_all == pytest.approx(1 - 200 / 260) == found.in_all_at(2.0)
    assert found.in_all_at(600.0) == pytest.approx(60 / 60_060)
    assert found.rate == pytest.approx(2 / 2.4, rel=0.02)
    assert found.steady_at(600) == pytest.approx(0.4 / 600, rel=0.01)
    assert asked(tallies) == {"read": 201, "create": 2}


def test_a_run_without_shards_has_no_figures():
    with pytest.raises(ValueError, match="no shard was made"):
        figures([], workers=2, seconds=2.0, wished=0.0, ended=1.0)


def test_the_verdict_sees_slow_workers_and_fleets_that_do_not_scale(capsys):
    one = figures([tally(0.0, 50)], 1, 2.0, -10.0, 130.0)
    two = figures([tally(0.0, 50), tally(0.0, 50)], 2, 2.0, -10.0, 130.0)
    crowded = figures([tally(0.0, 50, work=4.0)] * 2, 2, 2.0, -10.0, 230.0)
    sluggish = figures([tally(0.0, 50, wait=3.0)], 1, 2.0, -10.0, 280.0)
    assert verdict([one, two])
    assert not verdict([one, crowded]) and not verdict([sluggish])
    assert capsys.readouterr().out.count("BAD") == 2
    endless = figures([tally(0.0, 50)], 1, 2.0, -2000.0, 130.0)
    assert not verdict([endless])


def test_requests_are_counted_by_path_without_ids():
    log = """
INFO:     127.0.0.1:50938 - "POST /api/flow_runs/0198b0c6-5f0e-7b5a-8f39-0a5b6c7d8e9f/set_state HTTP/1.1" 201 Created
INFO:     127.0.0.1:50940 - "POST /api/flow_runs/1198b0c6-5f0e-7b5a-8f39-0a5b6c7d8e9f/set_state HTTP/1.1" 201 Created
INFO:     127.0.0.1:50942 - "GET /api/csrf-token?client=abc HTTP/1.1" 200 OK
INFO:     127.0.0.1:50944 - "WebSocket /api/events/in" [accepted]
INFO:     connection open
"""
    assert requests(log) == {"POST /flow_runs/ID/set_state": 2, "GET /csrf-token": 1, "WebSocket /events/in": 1}


def test_bytes_and_rows_of_a_database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute("CREATE TABLE run (name TEXT)")
        connection.commit()
        before, rows = database_rows(tmp_path / "db")
        connection.executemany("INSERT INTO run VALUES (?)", [("x" * 1000,)] * 100)
        connection.commit()
        after, rows_after = database_rows(tmp_path / "db")
    assert rows == {"run": 0} and rows_after == {"run": 100}
    assert 100_000 < after - before < 200_000


def test_processor_time_and_memory_of_a_process_and_its_children():
    busy = (
        "import time\nwhile time.process_time() < 1: pass\nx = bytearray(64 << 20); print(flush=True); time.sleep(60)"
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    trees = None
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            with Trees({"busy": process.pid}).watched() as trees:
                process.stdout.readline()
        finally:
            os.killpg(process.pid, 9)
    assert 0.5 < trees.seconds["busy"] < 3 and trees.most["busy"] > 64


@pytest.fixture
def run(tmp_path) -> SimulatedRun:
    tally = Tally("worker")
    store = CountedStore(FolderStore(tmp_path / "dataset"), tally)
    manifest = Manifest.open(store, {"shards": 6, "seconds": 0.01})
    control.begin(store)
    config = RenderIHConfig()
    return SimulatedRun(manifest, config, "worker", Watch(config.limits), tally)


def test_the_simulated_stage_goes_through_the_real_engine_and_leaves_its_tally(run, tmp_path):
    assert help_out(run, STAGE) == 6
    tally = run.tally
    assert len(tally.taken) == len(tally.committed) == 6
    assert all(end - begin >= 0.01 for begin, end in zip(tally.taken, tally.committed, strict=True))
    assert tally.asked["publish"] == tally.asked["move"] == 6
    lead(run, STAGE)
    assert Manifest.read(run.store).rows("rejected") == 6
    tally.write(tmp_path)
    (written,) = read_tallies(tmp_path, "worker")
    assert written["committed"] == tally.committed and written["asked"] == dict(tally.asked)
    assert written["cpu"] >= written["cpu_began"] and written["started"] < written["began"] < written["ended"]
    assert read_tallies(tmp_path, "leader") == []


def test_a_node_knows_nothing_of_the_user_s_prefect(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere/api")
    monkeypatch.setenv("RENDER_IH_LOG", "json")
    variables = environment(tmp_path, PREFECT_SERVER_LOGGING_LEVEL="INFO")
    assert not {"PREFECT_API_URL", "RENDER_IH_LOG"} & variables.keys()
    assert variables["PREFECT_HOME"] == str(tmp_path) and variables["PREFECT_SERVER_LOGGING_LEVEL"] == "INFO"


def test_deployments_use_the_project_s_own_pools():
    made = []

    class Client:
        """As much of Prefect's as registration needs; no pool is there."""

        def read_work_pool(self, name):
            return type("Pool", (), {"type": "process", "model_dump": lambda self: {}})()

        def update_work_pool(self, name, pool):
            made.append(name)

        def create_flow_from_name(self, name):
            return name

        def create_deployment(self, flow, name, **more):
            made.append(f"{flow}/{name} in {more['work_pool_name']}: {more['entrypoint']}")
            return f"id of {flow}"

    assert register(Client()) == "id of simulated-run"
    assert made == [
        "control",
        "cpu",
        "simulated-run/fleet in control: benchmarks.simulated.flows.simulated_run",
        "simulated-shards/fleet in cpu: benchmarks.simulated.flows.simulated_shards",
    ]


def test_the_page_has_the_arithmetic():
    there = SCALE.read_text().splitlines()
    for line in page().splitlines():
        assert line in there, "python -m benchmarks.fleet --arithmetic"


def test_arithmetic_of_a_job_that_can_be_done_by_hand():
    job = Job(8_000, minutes=10, workers=2)
    assert (job.poses, job.pose_shards, job.image_shards, job.shards, job.files) == (800, 2, 2, 4, 6)
    assert job.steps == 3 * 2 + 2 and job.hours == pytest.approx(1 / 6) and job.data == 656_000_000
    # each shard: create, note, commit, copy, and a file of 40 pieces with begin and end; 600 s: 40 beats of two workers twice,
    # 600 listings of the leader; 20 times all records and the history; the manifest with each shard
    assert job.requests(WRITES) == 2 * (4 + 42) + 2 * 40 * 2 + 600 + 20 * 2 + 2
    # each shard: control, two of the move; claim, note, three to see the file at its place; beats; the leader reads two claims
    assert job.requests(READS) == 2 * (1 + 2 + 2 + 3) + 2 * 40 + 600 * 2 + 20 * 3 + 2

"""What Prefect keeps of a run: artifacts and lines, read back from a real server; and that work goes on without one."""

import base64
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from PIL import Image
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.observing import artifacts
from tasks.observing.artifacts import DASHBOARD, PICTURE_BYTES, Board, Server
from tasks.observing.log import LINES
from tasks.sharing.share import lead
from tests.flows.observed_run import POSES, REASONS, SHARDS, begun, stage
from tests.prefect_server import PrefectServer, free_port, prefect_server

ROOT = Path(__file__).parents[2]
LINK = "http://127.0.0.1:8080/run"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="module")
def observed(server, tmp_path_factory) -> tuple[str, str, str]:
    """Dataset, id and output of a flow run that led a stage and showed its dataset."""
    folder = tmp_path_factory.mktemp("observed") / "dataset"
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.observed_flow", str(folder)],
        env=server.environment | {DASHBOARD: LINK},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return str(folder), done.stdout.split()[-1], done.stderr


@pytest.fixture(scope="module")
def kept(server, observed) -> dict[str, dict]:
    """The artifacts of that run by what they are."""
    _, run, _ = observed
    asked = {"artifacts": {"flow_run_id": {"any_": [run]}}}
    found = httpx.post(f"{server.api}/artifacts/filter", json=asked).raise_for_status().json()
    assert len({one["key"] for one in found}) == len(found)
    return {one["key"].rpartition("-")[0]: one for one in found}


def test_a_run_leaves_these_artifacts(kept):
    assert kept.keys() == {"progress-poses", "workers-poses", "dataset", "contact-sheet", "dashboard"}


def test_progress_ends_at_all(kept):
    assert kept["progress-poses"]["data"] == 100.0
    told = f"poses: {len(SHARDS)} of {len(SHARDS)} shards; workers: 0"  # all have left
    assert kept["progress-poses"]["description"].startswith(told)


def test_the_table_tells_of_the_workers(kept):
    (row,) = json.loads(kept["workers-poses"]["data"])
    assert row["worker"] == "anna" and row["device"] == "cpu" and row["state"] in ("waiting", "left")
    figures = (row["shards"], row["rows"], row["refused"])
    assert figures == (len(SHARDS), len(SHARDS) * POSES, len(SHARDS) * len(REASONS)) and "poses/s" in row["rate"]


def test_the_summary_says_what_there_is(kept, observed):
    folder, _, _ = observed
    made, refused = len(SHARDS) * POSES, len(SHARDS) * len(REASONS)
    text = kept["dataset"]["data"]
    assert f"`{folder}`: 0 images, {made} poses, {refused} refused." in text
    assert f"| poses | {len(SHARDS)} | {made} | {refused} | 1 | 0.00 |" in text


def test_the_contact_sheet_is_a_small_picture(kept):
    uri = kept["contact-sheet"]["data"]
    assert 10_000 < len(uri) <= PICTURE_BYTES
    picture = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert picture.format == "JPEG" and abs(picture.width - 2 * picture.height) <= 2


def test_the_dashboard_is_linked(kept):
    assert LINK in kept["dashboard"]["data"]


def logged(server: PrefectServer, run: str) -> list[str]:
    asked = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
    return [line["message"] for line in httpx.post(f"{server.api}/logs/filter", json=asked).raise_for_status().json()]


def test_prefect_has_the_lines_but_not_too_many(server, observed):
    _, run, output = observed
    deadline = time.monotonic() + 60
    while "line 0" not in (lines := logged(server, run)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert {f"made {shard}" for shard in SHARDS} <= set(lines), "said by a thread of a pool"
    own = [line for line in lines if line.startswith(("made", "Making", "line"))]
    assert len(own) == LINES
    told = {line.rpartition(" | INFO ")[2].rpartition(" - ")[2] for line in output.splitlines()}
    assert {f"line {number}" for number in range(100)} <= told, "the terminal has them all"


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of artifacts outside a run
def test_work_goes_on_without_a_server_and_says_so_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(artifacts, "SERVER", Server())
    monkeypatch.setattr(artifacts, "FlowRunContext", SimpleNamespace(get=lambda: "a flow run"))
    run = begun(tmp_path / "dataset")
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        lead(run, stage())
        artifacts.show_dataset(run.manifest)
    assert run.manifest.rows("poses") == len(SHARDS) * POSES
    assert capsys.readouterr().err.count("takes no artifacts for now") == 1
    assert not artifacts.SERVER.is_there


def test_nothing_is_sent_outside_a_flow_run(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda *_, **__: pytest.fail("sent"))
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda *_, **__: pytest.fail("sent"))
    run = begun(tmp_path / "dataset")
    lead(run, stage())
    artifacts.show_dataset(run.manifest)


def test_a_worker_whose_record_stays_the_same_is_silent():
    board = Board(None, "poses", 4, lease=0.0)
    record = {"worker": "anna", "beat": 1, "state": "working", "stage": "poses", "shard": "00001"}
    record["step"] = {"done": 2, "total": 3, "unit": "poses"}
    assert board._state(record) == {"state": "poses 00001 (2 of 3 poses)"}
    time.sleep(0.01)
    assert board._state(record) == {"state": "silent"}
    assert board._state(record | {"beat": 2, "shard": "", "step": {}}) == {"state": "waiting"}
    assert board._state(record | {"state": "left"}) == {"state": "left"}

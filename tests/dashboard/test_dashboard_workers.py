"""The page of workers: records of all kinds, fleets, who made what, and what is there when nobody works."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard.pages.workers import PAGE
from dashboard.progress.crew import Crew, Gpu, average
from dashboard.progress.makers import UNKNOWN, work_of
from dashboard.watching.pulse import Health, WorkerState
from dataset.manifest import Manifest
from dataset.work.holder import machine
from tests.dashboard.serving import client_of, desk_of, look

BEGIN = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOSTILE = "</script><img src=x onerror=alert(1)>"


def record(name="anna", **more) -> dict:
    about = {"worker": name, "host": f"{name}-host", "machine": machine(), "pid": 7, "device": "OPTIX A100"}
    at = {"stage": "images", "shard": "train-00003", "step": {"done": 50, "total": 200, "unit": "images"}}
    made = {"shards": 12, "rows": 2398, "refused": 2, "rates": {"images": 0.42}, "cpu_percent": 131.5}
    gpu = {"name": "A100", "use_percent": 97, "memory_mib": 20480, "of_mib": 81920, "temperature_c": 64}
    rest = {"shard_seconds": 125.0, "memory_mib": 3072, "gpus": [gpu], "beat": 1, "beat_seconds": 15.0}
    return about | at | made | rest | {"state": "working"} | more


def line(shard: int, name="anna", minute=0.0, seconds=60.0, **more) -> dict:
    finished = (BEGIN + timedelta(minutes=minute)).isoformat(timespec="seconds")
    about = {
        "attempt": f"{name}{shard}",
        "stage": "images",
        "rows": 90,
        "refused": 10,
        "bytes": 1,
        "finished": finished,
    }
    made = {"shard": f"train-{shard:05d}", "worker": name, "device": "OPTIX A100", "seconds": seconds, "steps": {}}
    return about | made | more


def begun(folder: Path, records=(), history=()) -> Path:
    """An unfinished dataset with these records and lines of history."""
    Manifest.open(folder, {"seed": 1})
    (folder / ".work/workers").mkdir(parents=True)
    for number, one in enumerate(records):
        (folder / f".work/workers/{number}.json").write_text(json.dumps(one))
    if history:
        (folder / "history").mkdir()
        (folder / "history/shards.jsonl").write_text("".join(json.dumps(one) + "\n" for one in history))
    return folder


def page_of(folder: Path, query: str = "") -> str:
    with desk_of(folder) as desk:
        answer = client_of(desk).get(f"/runs/{folder.name}/workers{query}")
        assert answer.status_code == 200
        return answer.text


def words(page: str) -> str:
    """What stands on a page, without its elements."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("<main")[2]).split())


def states(*health: Health, **more) -> list[WorkerState]:
    return [WorkerState(record(f"w{n}", **more), one, 3.0) for n, one in enumerate(health)]


def test_a_worker_is_shown_with_all_that_it_tells(tmp_path):
    trouble = {
        "troubles": {"failed": 2, "out of memory": 1},
        "last_error": "images train-00002: failed: the wheel came off",
    }
    page = page_of(begun(tmp_path / "one", [record(metrics="http://127.0.0.1:9464/metrics", **trouble)]))
    text = words(page)
    for told in (
        "anna",
        "anna-host · 7",
        "train-00003",
        "50 of 200 images",
        "25.2/min",
        "OPTIX A100",
        "132 %",
        "3.0 GiB",
    ):
        assert told in text, told
    for told in ("97 % 20.0 of 80.0 GiB 64 °C", "12 shards 2,398 rows 2 refused", "3 tries made no shard: failed 2"):
        assert told in text, told
    assert "the wheel came off" in text and '<progress max="200.0" value="50.0"' in page
    assert 'href="http://127.0.0.1:9464/metrics"' in page
    assert re.search(r'data-since="12[5-9]', page), "at its shard for 125 seconds, and counting"


@pytest.mark.parametrize(
    "more",
    [
        {"metrics": "http://127.0.0.1:9464/metrics", "machine": "another"},
        {"metrics": "http://node7:9464/metrics"},
        {"metrics": "javascript:alert(1)"},
        {"metrics": "http://[broken"},
        {"metrics": "http://localhost:9464/metrics", "state": "left"},
    ],
)
def test_only_pages_of_this_machine_are_linked(more):
    health = Health.LEFT if more.get("state") else Health.WORKING
    assert Crew(states(health, **more)).members[0].metrics == ""


def test_silent_ones_come_first_and_those_that_left_last():
    told = [Health.LEFT, Health.WORKING, Health.SILENT, Health.LATE, Health.SILENT]
    crew = Crew(states(*told))
    assert [member.name for member in crew.members] == ["w2", "w4", "w1", "w3", "w0"]
    assert crew.counts == {"left": 1, "working": 1, "silent": 2, "late": 1}
    assert [member.name for member in crew.at_work] == ["w1", "w3"] and len(crew.present) == 4


def test_figures_of_all_are_of_those_that_work():
    busy = states(Health.WORKING, Health.LATE, Health.SILENT, Health.LEFT)
    poses = WorkerState(record("p", stage="poses", rates={"poses": 2.0, "steps": 60.0}, gpus=[]), Health.WORKING, 1.0)
    crew = Crew([*busy, poses])
    assert [(unit, pytest.approx(pace), workers) for unit, pace, workers in crew.paces] == [
        ("images", 0.84, 2),
        ("poses", 2.0, 1),
    ]
    images, others = crew.devices
    assert (images.workers, images.unit, images.gpu, images.hottest_c) == (2, "images", "A100", 64)
    assert images.memory_share == pytest.approx(0.25) and images.use_percent == 97
    assert (others.unit, others.gpu, others.use_percent, others.memory_share) == ("poses", "", None, None)
    assert crew.gpus[0] == Gpu("A100", 97, 20 * 2**30, 80 * 2**30, 64)
    assert average([None, 2, 4]) == 3 and average([None]) is None


def test_a_worker_that_dies_turns_red_on_the_page(tmp_path, monkeypatch):
    folder = begun(tmp_path / "one", [record(), record("ben", shard="", step={})])
    with desk_of(folder) as desk:
        client, run = client_of(desk), desk.run("one")
        assert "2 all heard of in time" in words(client.get("/runs/one/workers").text)
        now = run._clock()
        monkeypatch.setattr(run, "_clock", lambda: now + 40)
        (folder / ".work/workers/1.json").write_text(json.dumps(record("ben", beat=2)))
        look(desk)
        text = words(client.get("/runs/one/workers").text)
    assert "silent 1 dead or cut off" in text and "working 1 all heard" in text
    assert "Worker anna on anna-host (last at images train-00003) is silent" in text
    assert text.index("anna anna-host") < text.index("ben ben-host")


def test_a_fleet_is_turned_over_page_by_page_and_searched(tmp_path):
    fleet = [record(f"node{n}", device="CPU" if n % 2 else "OPTIX A100") for n in range(1, 2 * PAGE + 6)]
    folder = begun(tmp_path / "fleet", [*fleet, *(record(f"old{n}", state="left") for n in range(9))])
    with desk_of(folder) as desk:
        ask = lambda query: client_of(desk).get(f"/runs/fleet/workers{query}").text  # noqa: E731
        listed = lambda page: re.findall(r'<tr id="w\w+" class="working">.*?<b title="(\w+)"', page, re.S)  # noqa: E731
        first, second, third = (ask(f"?page={number}") for number in (1, 2, 3))
        assert [len(listed(page)) for page in (first, second, third)] == [PAGE, PAGE, 5]
        assert listed(first) + listed(second) + listed(third) == [f"node{n}" for n in range(1, 2 * PAGE + 6)]
        assert first.count('class="working" title=') == 2 * PAGE + 5, "a square for each"
        assert '<details id="left">' in first and "old8" in first
        assert listed(ask("?find=NODE12+host")) == ["node12"]
        found = ask("?find=cpu&page=2")
        assert listed(found) == ["node81", "node83", "node85"] and "?page=1&amp;find=cpu" in found
        assert "No worker is called so" in ask("?find=nobody")
        assert listed(ask("?page=99")) == listed(third) and listed(ask("?page=x")) == listed(first)
        assert "<script>x" not in ask("?find=<script>x") and "&lt;script&gt;x" in ask("?find=<script>x")


@pytest.mark.parametrize(
    "strange",
    [
        {"worker": "bare"},
        {name: None for name in record()} | {"worker": "none"},
        {name: [HOSTILE] for name in record()} | {"worker": HOSTILE},
        {name: HOSTILE for name in record()} | {"state": "working"},
        record(
            rates={"images": -1},
            gpus=[{}, 3],
            step={"done": 9, "total": "x"},
            troubles={HOSTILE: 3},
            last_error=HOSTILE,
        ),
        record(cpu_percent=10**400, memory_mib=True, rows=1e300),
    ],
)
def test_records_of_any_content_are_shown(tmp_path, strange):
    page = page_of(begun(tmp_path / "one", [strange, record("ben")]))
    assert "ben-host" in page and "<img" not in page and "</script><" not in page.partition("<main")[2]


def test_nobody_has_come_yet(tmp_path):
    text = words(page_of(begun(tmp_path / "one")))
    assert "Nobody works on it yet." in text and f"--out {tmp_path / 'one'}" in text and "Who made what" not in text


def test_work_without_records_is_shown_all_the_same(tmp_path):
    text = words(page_of(begun(tmp_path / "one", history=[line(1)])))
    assert "whoever made what is there has left no record" in text and "Who made what 1 worker, 1 shard" in text


def test_a_finished_dataset_without_history_says_why(finished):
    text = words(page_of(finished))
    assert "has no history of who made it" in text and "working" not in text


def test_a_dataset_that_cannot_be_read(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/manifest.json").write_text("{")
    text = words(page_of(tmp_path / "one"))
    assert "Nothing can be said about workers before the dataset can be read." in text and "is damaged" in text


def test_a_finished_dataset_tells_who_made_it(tmp_path):
    history = [line(0, stage="collect", rows=0, refused=0), line(1), line(2, "ben", seconds=180.0, device="cpu")]
    folder = begun(tmp_path / "one", [record(state="left")], history)
    with desk_of(folder) as desk:
        Manifest.read(folder).finish({"train": {}})
        look(desk)
        text = words(client_of(desk).get("/runs/one/workers").text)
    assert "2 workers, 3 shards, 5 min of work" in text
    assert "ben CPU 1 90 10 3 min 2,000" in text and "anna OPTIX A100 1 90 10 1 min 6,000" in text
    assert "All 2 180 20 4 min 3,000" in text
    assert "One by one" not in text and "Left" not in text


def test_makers_are_summed_by_stage_against_a_plain_sum():
    history = [line(n, f"w{n % 3}", seconds=10.0 + n, rows=n, refused=n % 2, device=f"d{n % 2}") for n in range(20)]
    history += [
        line(90, "w0", stage="poses"),
        {"attempt": "x", "stage": "images", "rows": 5, "refused": 0},
        {"stage": 4},
    ]
    poses, images = work_of(history)
    assert (poses.stage.name, poses.total.shards, images.stage.name) == ("poses", 1, "images")
    assert images.total.rows == sum(range(20)) + 5 and images.total.refused == 10 and images.total.shards == 21
    one = next(maker for maker in images.makers if maker.name == "w1")
    own = range(1, 20, 3)
    assert (one.rows, one.seconds) == (sum(own), sum(10.0 + n for n in own))
    assert one.an_hour == pytest.approx(3600 * sum(n + n % 2 for n in own) / one.seconds)
    assert one.device == "d1 and 1 more"
    assert [maker.rows for maker in images.makers] == sorted((maker.rows for maker in images.makers), reverse=True)
    assert images.makers[-1].name == UNKNOWN and images.makers[-1].an_hour is None

"""Bars of shards: where they lie, how many there are, and what is left out."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.progress.timeline import HOURS, ROWS, timeline
from dashboard.watching.pulse import Health, WorkerState
from dashboard.watching.run import RunState

BEGIN = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


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


def worker(name: str, health: Health, quiet: float, seconds: float = 0.0) -> WorkerState:
    about = {"worker": name, "stage": "images", "shard": "train-00003", "shard_seconds": seconds}
    return WorkerState(about, health, quiet)


def bars(run: RunState) -> list[tuple[str, float, float, str]]:
    """Class, left end and width in percent, and title of each bar, in order."""
    found = re.findall(
        r'<rect class="([^"]*)" x="([\d.]+)%" y="\d+" width="([\d.]+)%"[^>]*><title>(.*?)</title>',
        timeline(run).drawing,
    )
    return [(css, float(left), float(width), told) for css, left, width, told in found]


def test_bars_lie_where_their_times_are():
    history = (
        line(1, minute=10, seconds=600, stage="poses"),
        line(2, minute=40, seconds=1200),
        line(3, "ben", minute=30),
    )
    first, second, third = bars(RunState("one", "", history=history))
    assert first[:3] == ("c3", 0.0, pytest.approx(25, abs=0.1)) and second[:3] == (
        "c1",
        50.0,
        pytest.approx(50, abs=0.1),
    )
    assert third[1] == pytest.approx(72.5) and third[2] == pytest.approx(2.5, abs=0.1)
    assert second[3] == "train-00002: 90 rows, 10 refused in 20 min"
    shown = timeline(RunState("one", "", history=history))
    assert shown.names == ["anna", "ben"] and shown.seconds == 2400 and ">last shard<" in shown.drawing


def test_a_shard_in_hand_reaches_up_to_now():
    busy = worker("ben", Health.WORKING, 5.0, seconds=595.0)
    silent = worker("carl", Health.SILENT, 500.0)
    history = (line(1, "ben", minute=10, seconds=600), line(2, "anna", minute=10, seconds=300))
    run = RunState("one", "", history=history, workers=(busy, silent))
    shown = timeline(run)
    assert shown.names == ["anna", "ben"] and shown.seconds == 1200 and ">now<" in shown.drawing
    assert ("c1 open", 50.0, pytest.approx(50, abs=0.1), "train-00003: in hand") in bars(run)


def test_many_short_shards_become_few_bars_and_old_ones_are_left_out():
    history = tuple(line(n, minute=n, seconds=57.0) for n in range(2 * 24 * 60))
    run = RunState("one", "", history=history)
    (one,) = bars(run)
    assert one[2] == pytest.approx(100, abs=0.2) and one[3] == f"{60 * HOURS:,} shards"
    assert timeline(run).seconds == pytest.approx(3600 * HOURS, abs=4)


def test_no_more_lines_than_can_be_read_and_names_are_escaped():
    history = tuple(line(n, f"w{n}<b>", minute=n) for n in range(50))
    shown = timeline(RunState("one", "", history=history))
    assert (len(shown.names), shown.more, shown.names[-1]) == (ROWS, 50 - ROWS, "w49<b>")
    odd = (
        line(1) | {"shard": "<b>"},
        line(2, finished="soon"),
        line(3, finished=None),
        line(4, worker=""),
        {"stage": "images"},
    )
    assert "<b>" not in timeline(RunState("one", "", history=odd)).drawing
    assert timeline(RunState("one", "", history=odd[1:])) is None and timeline(RunState("one", "")) is None

"""Alarms about who works and how fast: silence, a slower pace, standstill."""

from collections.abc import Iterator

import pytest

from dashboard.watching.pulse import Health
from tests.dashboard.lookout import MakeWatch, line, shards, watches, worker


@pytest.fixture
def watch(tmp_path, monkeypatch) -> Iterator[MakeWatch]:
    with watches(tmp_path, monkeypatch) as make:
        yield make


def test_a_silent_worker(watch):
    one = watch()
    one.show(workers=(worker("ben", Health.SILENT, 40.0), worker()))
    alarm = one.look()["silent_worker"]
    assert alarm.level == "bad"
    assert "ben on ben-host (last at images train-00003)" in alarm.sentence and "others go on" in alarm.sentence
    one.show(workers=(worker("ben", Health.SILENT, 40.0), worker("anna", Health.LEFT)))
    assert "nobody else works" in one.look()["silent_worker"].sentence
    one.show(workers=(worker("ben"), worker("anna", Health.LEFT)))
    assert one.look() == {}


def test_many_silent_workers_are_one_alarm_and_old_ones_are_less_urgent(watch):
    one = watch()
    silent = tuple(worker(f"w{n}", Health.SILENT, 4000.0) for n in range(9))
    one.show(workers=silent)
    alarm = one.look()["silent_worker"]
    assert alarm.sentence.startswith("9 workers are silent: w0 ") and "and 6 more" in alarm.sentence
    assert alarm.level == "bad", "nobody goes on"
    one.show(workers=(*silent, worker()))
    assert one.look()["silent_worker"].level == "late"


def test_of_silence_nothing_is_known_while_the_run_cannot_be_read(watch):
    one = watch()
    one.show(workers=(worker("ben", Health.SILENT, 40.0),), trouble="some/place: storage does not answer")
    assert "silent_worker" not in one.look()


@pytest.mark.parametrize(
    ("seconds", "is_raised"),
    [
        ([100.0] * 12, False),
        ([100.0] * 10 + [201.0] * 6, True),
        ([100.0] * 10 + [200.0] * 6, False),
        ([100.0] * 10 + [201.0] * 2 + [100.0] * 4, False),
        ([100.0] * 5 + [900.0] * 6, False),
    ],
    ids=["even", "less than half", "just half", "two slow ones", "too few before"],
)
def test_a_drop_of_the_pace(watch, seconds, is_raised):
    one = watch()
    one.show(images=1000, workers=(worker(),), history=shards(*seconds))
    found = one.look()
    assert ("drop" in found) is is_raised
    assert not is_raised or "slowed down to 50 %" in found["drop"].sentence


def test_fewer_workers_are_no_drop_and_neither_are_slow_ones_that_go_on_alone(watch):
    one = watch()
    fast = shards(*[10.0] * 20, name="gpu", device="OPTIX A100")
    slow = shards(*[100.0] * 16, name="cpu")
    history = (*(one for pair in zip(fast, slow[:10], strict=False) for one in pair), *fast[10:], *slow[10:])
    one.show(images=1000, workers=(worker("cpu"), worker("gpu", Health.LEFT)), history=history)
    assert one.look() == {}


def test_a_new_worker_is_compared_with_its_kind_of_device(watch):
    one = watch()
    before, new = shards(*[10.0] * 12), shards(*[50.0] * 6, name="new")
    one.show(workers=(worker("new"), worker(health=Health.LEFT)), history=(*before, *new))
    sentence = one.look()["drop"].sentence
    assert "to 20 %" in sentence and "1 worker has left or is silent" in sentence
    other = shards(*[50.0] * 6, name="new", device="METAL")
    one.show(workers=(worker("new"),), history=(*before, *other))
    assert one.look() == {}, "nothing to compare it with"


def test_the_small_shards_at_the_end_of_a_stage_are_left_out(watch):
    one = watch()
    small = shards(*[90.0] * 6, rows=1)
    one.show(workers=(worker(),), history=(*shards(*[100.0] * 14), *small))
    assert one.look() == {}


def test_another_stage_begins_anew(watch):
    one = watch()
    history = (*shards(*[1.0] * 20, stage="poses"), *shards(*[100.0] * 6))
    one.show(workers=(worker(),), history=history)
    assert one.look() == {}


def test_nobody_works_or_nobody_asks_about_a_drop(watch):
    history = shards(*[100.0] * 10, *[900.0] * 6)
    off, idle = watch(drop=0), watch()
    off.show(workers=(worker(),), history=history)
    idle.show(workers=(worker(health=Health.LEFT),), history=history)
    assert off.look() == {} and idle.look() == {}


def test_workers_that_work_in_vain(watch):
    one = watch(stalled_minutes=30)
    one.show(images=100, workers=(worker(), worker("ben")), history=(line(seconds=100),))
    assert one.look() == {} and one.look(1800) == {}
    alarm = one.look(1)["stalled"]
    assert alarm.level == "bad"
    assert "for more than 30 min although 2 workers work: see what they are at" in alarm.sentence
    one.show(images=200, workers=(worker(),), history=(line(0), line(1)))
    assert one.look() == {} and one.look(1800) == {}


def test_a_shard_may_take_three_times_as_long_as_usual(watch):
    one = watch(stalled_minutes=30)
    one.show(workers=(worker(),), history=(line(seconds=3600),))
    one.look()
    assert one.look(3 * 3600) == {} and "for more than 3 h" in one.look(1)["stalled"].sentence


def test_before_the_first_shard_every_step_counts(watch):
    one = watch(stalled_minutes=30)
    for done in range(5):
        one.show(workers=(worker(step={"done": done, "total": 200, "unit": "images"}),))
        assert one.look(1799) == {}
    assert set(one.look(1801)) == {"stalled"}


def test_workers_that_wait_while_nobody_takes_a_shard(watch):
    one = watch(stalled_minutes=30)
    one.show(workers=(worker(shard=""),), history=(line(),))
    one.look()
    assert "none has a shard in hand" in one.look(1801)["stalled"].sentence


def test_a_dashboard_that_is_started_late_believes_what_workers_say_of_their_shards(watch):
    one = watch(stalled_minutes=30)
    one.show(workers=(worker(shard_seconds=5000), worker("ben", shard_seconds=1700)), history=(line(),))
    assert one.look() == {}
    assert set(one.look(200)) == {"stalled"}


@pytest.mark.parametrize("state", ["off", "nobody works", "finished"])
def test_no_standstill(watch, state):
    one = watch(stalled_minutes=0 if state == "off" else 30)
    health = Health.LEFT if state in ("nobody works", "finished") else Health.WORKING
    one.show(workers=(worker(health=health),), history=(line(),), finished=state == "finished")
    one.look()
    assert one.look(10**6) == {}

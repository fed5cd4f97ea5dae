"""Whether a worker counts as alive, on a clock of the tests."""

import json

import pytest

from dashboard.watching.pulse import RED_AFTER, Health, Pulse
from dashboard.watching.run import WatchedRun
from dashboard.watching.told import in_order, known_number, number, numbers, part, parts, text
from dataset.manifest import Manifest
from dataset.storage.folder import FolderStore
from tasks.observing.record import BEATS

LOOK = 2.0
"""Seconds between looks, as by default."""


def record(beat=1, beat_seconds=15.0, **more):
    return {"worker": "anna", "pid": 7, "beat": beat, "beat_seconds": beat_seconds, "state": "working"} | more


def healths(beats_until: float, every: float, until: float, begin: float = 0.0, **more) -> dict[float, Health]:
    """Of a worker that beats until a moment and is looked at every other second: moment to health."""
    pulse, seen, moment = Pulse(begin), {}, begin
    while moment <= until:
        pulse.saw(record(beat=int(min(moment, beats_until) // every), **more), moment)
        seen[moment] = pulse.state(moment, over=False).health
        moment += LOOK
    return seen


@pytest.mark.parametrize("begin", [0.0, 0.5, 1.0, 1.9])
def test_a_dead_worker_is_red_within_thirty_seconds(begin):
    death = 150.0  # right after a beat, which is the worst moment
    seen = healths(beats_until=death, every=15.0, until=200, begin=begin)
    assert {health for moment, health in seen.items() if moment <= death} == {Health.WORKING}
    red = min(moment for moment, health in seen.items() if health is Health.SILENT)
    assert red - death <= 30 - LOOK, "browsers ask every other second"
    assert Health.LATE in seen.values()
    assert all(health is Health.SILENT for moment, health in seen.items() if moment >= red)


def test_a_worker_that_lives_is_never_red_though_its_beats_come_late():
    assert Health.SILENT not in healths(beats_until=1e9, every=20.5, until=900).values()


@pytest.mark.parametrize("lease", [2.0, 60.0, 240.0, 3600.0])
def test_the_time_between_beats_decides_where_they_are_far_apart(lease):
    beat = lease / BEATS
    pulse = Pulse(0)
    pulse.saw(record(beat_seconds=beat), 0)
    states = {moment: pulse.state(moment, over=False).health for moment in (beat, beat + 1, 1.2 * beat + 30)}
    assert states == {beat: Health.WORKING, beat + 1: Health.WORKING, 1.2 * beat + 30: Health.SILENT}
    moments = [beat + moment / 10 for moment in range(int(2 * beat + 600))]
    order = list(dict.fromkeys(pulse.state(moment, over=False).health for moment in moments))
    assert order == [Health.WORKING, Health.LATE, Health.SILENT]


@pytest.mark.parametrize("beat_seconds", [0, 0.0, None, -3, "soon", float("nan"), True])
def test_a_record_that_does_not_say_when_it_beats_has_the_usual_time(beat_seconds):
    pulse = Pulse(0)
    pulse.saw(record(beat_seconds=beat_seconds), 0)
    assert pulse.state(16, over=False).health is Health.WORKING
    assert pulse.state(RED_AFTER, over=False).health is Health.LATE
    assert pulse.state(RED_AFTER + 0.1, over=False).health is Health.SILENT


def test_who_was_dead_at_the_first_look_is_red_as_soon_as_that_can_be_told():
    seen = healths(beats_until=0, every=15.0, until=60)
    assert seen[0.0] is Health.WORKING and seen[26.0] is Health.SILENT


@pytest.mark.parametrize("again", [{"pid": 8}, {"pid": 7, "seconds": 0.1}, {"pid": 7, "host": "other"}])
def test_a_worker_that_begins_again_under_its_name_lives(again):
    pulse = Pulse(0)
    pulse.saw(record(beat=1, seconds=5.0), 0)
    assert pulse.state(60, over=False).health is Health.SILENT
    pulse.saw(record(beat=1, **again), 60)
    state = pulse.state(61, over=False)
    assert state.health is Health.WORKING and state.quiet == 1


def test_who_left_and_who_worked_on_what_is_finished_is_not_missed():
    pulse = Pulse(0)
    pulse.saw(record(), 0)
    assert pulse.state(1000, over=True).health is Health.LEFT
    pulse.saw(record(beat=2, state="left"), 1000)
    assert pulse.state(5000, over=False).health is Health.LEFT
    pulse.saw(record(beat=1), 5000)
    assert pulse.state(5001, over=False).health is Health.WORKING


def test_silence_makes_pages_new_ever_more_rarely():
    pulse = Pulse(0)
    pulse.saw(record(), 0)
    states = [pulse.state(float(second), over=False) for second in range(1, 3600)]
    assert len({state.silence for state in states}) < 60
    silent = [state for state in states if state.health is Health.SILENT]
    for state in silent:
        told = min(one.quiet for one in silent if one.silence == state.silence)
        assert state.quiet <= 1.1 * told + 1, "what a page shows is off by a tenth at most"
    assert {state.silence for state in states[:20]} == {0}
    assert states[5] == states[10], "time alone changes nothing while it works"


def test_records_that_are_gone_with_the_work_are_of_workers_that_left(tmp_path):
    now = [0.0]
    manifest = Manifest.open(tmp_path, {"seed": 1})
    store = FolderStore(tmp_path)
    store.write(".work/workers/anna.json", json.dumps(record()).encode())
    run = WatchedRun("one", store, clock=lambda: now[0])
    (worker,) = run.look().workers
    assert worker.health is Health.WORKING and worker.name == "anna"
    manifest.finish({"train": {}})
    store.clear(".work/")
    now[0] = 100.0
    (worker,) = run.look().workers
    assert worker.health is Health.LEFT and worker.record["pid"] == 7


def test_a_record_that_vanishes_while_the_run_goes_on_is_of_a_dead_worker(tmp_path):
    now = [0.0]
    Manifest.open(tmp_path, {"seed": 1})
    store = FolderStore(tmp_path)
    store.write(".work/workers/anna.json", json.dumps(record()).encode())
    run = WatchedRun("one", store, clock=lambda: now[0])
    run.look()
    store.remove(".work/workers/anna.json")
    now[0] = RED_AFTER + 1
    assert run.look().workers[0].health is Health.SILENT


def test_what_records_tell_is_read_whatever_stands_there():
    strange = {"a": -1, "b": "x" * 900, "c": {"d": 2, "e": "f", "g": None}, "h": [{}, 3], "i": True, "j": 10**400}
    assert [known_number(strange, name) for name in "abijz"] == [None] * 5 and number(strange, "a") == 0
    assert len(text(strange, "b")) == 500 and text(strange, "a") == ""
    assert numbers(strange, "c") == {"d": 2} and numbers(strange, "b") == {}
    assert part(strange, "h") == {} and parts(strange, "h") == [{}] and parts(strange, "c") == []


def test_names_are_in_the_order_of_their_numbers():
    names = ["node10-gpu1", "node2-gpu11", "node2-gpu2", "", "7", "node"]
    assert sorted(names, key=in_order) == ["", "7", "node", "node2-gpu2", "node2-gpu11", "node10-gpu1"]

"""Claims: of many who want a shard one gets it, dead ones lose it, and what they made counts once."""

import json
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataset.errors import InputError, StorageError
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import read_shard
from dataset.storage.folder import FolderStore
from dataset.work import control
from dataset.work.attempt import Attempt
from dataset.work.claims import MOST_FAULTS, MOST_LOST, Claim, ClaimLost, Claims
from dataset.work.holder import is_gone, this_process

SHARDS = [f"{number:05d}" for number in range(12)]
LEASE = 40.0


@pytest.fixture
def store(tmp_path) -> FolderStore:
    store = FolderStore(tmp_path / "dataset")
    Manifest.open(store, {"seed": 1})
    control.begin(store)
    return store


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def claims(store, clock=time.monotonic, shards=SHARDS, worker="here") -> Claims:
    return Claims(store, "poses", shards, LEASE, worker, _clock=clock)


def refusal(name: str, reason: str = "none") -> dict:
    row = dict.fromkeys(TABLES["rejected"].names, "x")
    return row | {"pose_id": name, "augmentation": 0, "value": 0.0, "limit": 0.0, "reason": reason}


def make(claim: Claim, reason: str = "none") -> Attempt:
    attempt = claim.new_attempt()
    attempt.write("rejected", claim.shard, [refusal(claim.shard, reason)])
    return attempt


def as_if_elsewhere(claim: Claim) -> None:
    """The holder becomes one of another machine, which nobody can look at."""
    with claim._lock:
        claim._become({"holder": claim.content["holder"] | {"machine": "far away"}})


def watch(watcher: Claims, clock: Clock, seconds: float) -> Claim | None:
    """Look every second for so long, as an idle worker does."""
    for _ in range(int(seconds)):
        clock.now += 1.0
        if claim := watcher.take():
            return claim
    return None


def test_every_shard_is_taken_by_one(store):
    with ThreadPoolExecutor(8) as threads:
        taken = [claim for found in threads.map(_take_all, [store] * 8) for claim in found]
    assert sorted(claim.shard for claim in taken) == SHARDS


def _take_all(store) -> list[Claim]:
    mine, found = claims(store), []
    while claim := mine.take():
        found.append(claim)
    return found


def test_commit_is_seen_by_others_and_puts_files_in_place(store):
    claim = claims(store, shards=["00000"]).take()
    claim.commit(make(claim))
    other = claims(store, shards=["00000"])
    (attempt,) = other.look()
    assert other.finished and not other.look()
    ((table, shard),) = attempt.made
    assert (table, shard.name, shard.rows) == ("rejected", "00000", 1)
    assert store.size("rejected/00000.parquet") == shard.bytes
    attempt.place()  # again does no harm
    assert store.names(".work/attempts/") == []


def test_a_commit_whose_files_were_not_moved_yet_is_completed_by_another(store, monkeypatch):
    claim = claims(store).take()
    monkeypatch.setattr(Attempt, "place", lambda attempt: None)  # killed at this point
    claim.commit(make(claim))
    monkeypatch.undo()
    assert store.size("rejected/00000.parquet") is None
    (attempt,) = claims(store).look()
    attempt.place()
    assert read_shard(store.fetch("rejected/00000.parquet")).num_rows == 1


def test_a_lost_file_is_noticed(store):
    claim = claims(store).take()
    claim.commit(make(claim))
    store.remove("rejected/00000.parquet")
    (attempt,) = claims(store).look()
    with pytest.raises(InputError, match="is lost"):
        attempt.place()
    again = claims(store, shards=["00000"])
    again.look()
    again.reopen("00000")
    assert again.take().shard == "00000"


def test_a_silent_worker_loses_its_shard_and_can_commit_nothing(store):
    clock = Clock()
    silent = claims(store, shards=["00000"]).take()
    as_if_elsewhere(silent)
    watcher = claims(store, clock, ["00000"])
    assert watch(watcher, clock, LEASE) is None, "until the lease is over"
    taken = watch(watcher, clock, 3)
    assert taken is not None and taken.content["lost"] == 1
    late = make(silent, "late")
    with pytest.raises(ClaimLost):
        silent.commit(late)
    with pytest.raises(ClaimLost):
        silent.renew()
    taken.commit(make(taken, "in time"))
    assert read_shard(store.fetch("rejected/00000.parquet"))["reason"].to_pylist() == ["in time"]
    assert store.names(".work/attempts/") == []


def test_a_worker_that_renews_keeps_its_shard(store):
    clock = Clock()
    held = claims(store, shards=["00000"]).take()
    as_if_elsewhere(held)
    watcher = claims(store, clock, ["00000"])
    for _ in range(6):
        assert watch(watcher, clock, 0.9 * LEASE) is None
        held.renew()


def test_time_in_which_nobody_could_look_does_not_count(store):
    """An outage of storage, or a laptop's sleep, takes no shard from a worker that goes on afterwards."""
    clock = Clock()
    held = claims(store, shards=["00000"]).take()
    as_if_elsewhere(held)
    watcher = claims(store, clock, ["00000"])
    assert watch(watcher, clock, 2) is None
    clock.now += 100 * LEASE
    assert watcher.take() is None
    held.renew()
    assert watch(watcher, clock, 0.9 * LEASE) is None


def _hold(folder: Path) -> None:
    store = FolderStore(folder)
    claims(store).take()
    time.sleep(60)


def test_the_shard_of_a_killed_process_of_this_machine_is_free_at_once(store):
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(store.folder,))
    process.start()
    while not store.names(".work/claims/poses/"):
        time.sleep(0.02)
    assert claims(store, shards=["00000"]).take() is None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert claims(store, shards=["00000"]).take().content["lost"] == 1


def test_a_process_id_that_was_given_again_is_not_the_holder():
    here = this_process()
    assert not is_gone(here) and is_gone(here | {"born": "0"}) and not is_gone(here | {"machine": "x", "born": "0"})


def test_a_shard_that_fails_again_and_again_is_set_aside(store):
    for number in range(MOST_FAULTS):
        claims(store, shards=["00000"]).take().release(f"fault {number}")
    mine = claims(store, shards=["00000"])
    assert mine.take() is None and mine.finished
    assert mine.failed == {"00000": ["fault 0", "fault 1", "fault 2"]}
    mine.reopen("00000")
    assert mine.take() is not None


def test_a_shard_that_kills_its_workers_is_set_aside(store):
    for _ in range(MOST_LOST):
        claim = claims(store, shards=["00000"]).take()
        with claim._lock:
            claim._become({"holder": claim.content["holder"] | {"born": "0"}})
    mine = claims(store, shards=["00000"])
    assert mine.take() is None and "12 workers were lost" in mine.failed["00000"][0]


def test_giving_back_costs_nothing(store):
    claim = claims(store, shards=["00000"]).take()
    claim.release()
    assert claims(store, shards=["00000"]).take().content["faults"] == []


def test_nothing_is_taken_of_a_run_that_has_ended(store):
    control.clear(store)
    assert claims(store).take() is None and store.names(".work/") == []


def test_kept_claims_beat_until_the_block_ends(store):
    mine = Claims(store, "poses", ["00000"], lease=0.2)
    claim = mine.take()
    with claim.kept(mine.lease):
        while claim.content["beat"] < 3:
            time.sleep(0.01)
    beats = claim.content["beat"]
    time.sleep(0.2)
    assert claim.content["beat"] == beats


def test_a_worker_hears_that_it_lost_its_shard(store):
    claim, heard = Claims(store, "poses", ["00000"], lease=0.2).take(), []
    name = ".work/claims/poses/00000.json"
    with claim.kept(0.2, lambda: heard.append(True)):
        store.write(name, json.dumps(claim.content | {"token": "other"}).encode())
        while not heard:
            time.sleep(0.01)
    assert heard == [True]


def test_workers_that_begin_at_different_shards_take_different_ones(store):
    first, second = claims(store), Claims(store, "poses", SHARDS, LEASE, first=6)
    assert first.take().shard == "00000" and second.take().shard == "00006" and first.take().shard == "00001"


def test_a_change_whose_answer_was_lost_costs_no_shard(store, monkeypatch):
    claim = claims(store, shards=["00000"]).take()
    real = FolderStore.replace

    def unheard(self, name, content, tag):
        real(self, name, content, tag)
        raise StorageError("no answer")

    monkeypatch.setattr(FolderStore, "replace", unheard)
    with pytest.raises(StorageError):
        claim.renew()
    monkeypatch.undo()
    claim.commit(make(claim))
    assert claims(store, shards=["00000"]).look()

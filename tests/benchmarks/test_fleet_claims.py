"""Many workers ask little of storage: claims seen through a store that counts."""

import numpy as np
import pytest

from benchmarks.simulated.tally import CountedStore, Tally
from dataset.manifest import Manifest
from dataset.storage.folder import FolderStore
from dataset.work import control
from dataset.work.claims import Claims

SHARDS = [f"{number:05d}" for number in range(120)]


@pytest.fixture
def store(tmp_path) -> CountedStore:
    store = CountedStore(FolderStore(tmp_path / "dataset"), Tally("worker"))
    Manifest.open(store, {"seed": 1})
    control.begin(store)
    return store


def workers(store, count: int, **more) -> list[Claims]:
    return [
        Claims(store, "images", SHARDS, 60.0, f"worker {n}", first=n * 7 % len(SHARDS), **more) for n in range(count)
    ]


def test_workers_that_meet_part_ways(store, generator):
    fleet, taken, asked = workers(store, 6), [], store._tally.asked
    asked.clear()
    while claim := fleet[int(generator.integers(6))].take():
        taken.append(claim.shard)
        claim.commit(claim.new_attempt())
    assert sorted(taken) == SHARDS and asked["create"] == len(SHARDS)
    assert asked["create (lost)"] < 0.3 * len(SHARDS)
    assert asked["names"] == asked["create (lost)"], "it looks around when it has met another, and only then"


def test_an_idle_worker_looks_at_a_few_of_the_shards_that_others_have_and_at_all_in_turn(store):
    (busy, idle) = workers(store, 2)
    held = [busy.take() for _ in SHARDS]
    assert idle.take() is None
    seen = len(idle.held)
    assert 0 < seen < len(SHARDS) // 3
    held[80].release()
    before = store._tally.asked["read"]
    looks = 0
    while (claim := idle.take()) is None:
        looks += 1
    assert claim.shard == held[80].shard
    assert store._tally.asked["read"] - before <= (looks + 1) * seen


def test_what_the_manifest_says_need_not_be_read_from_claims(store):
    (busy,) = workers(store, 1)
    for _ in SHARDS[:-1]:
        claim = busy.take()
        claim.commit(claim.new_attempt())
    last = busy.take()
    (idle,) = workers(store, 1, made_elsewhere=lambda: set(SHARDS[:-1]))
    before = store._tally.asked["read"]
    assert idle.take() is None and not idle.finished
    assert store._tally.asked["read"] == before + 1, "only the one that is still worked on"
    last.commit(last.new_attempt())
    assert idle.take() is None and idle.finished


def test_the_tally_tells_gains_from_losses_and_notes_commits(store, tmp_path):
    asked, tally = store._tally.asked, store._tally
    asked.clear()
    tag = store.create("a/b", b"1")
    assert store.create("a/b", b"2") is None and store.replace("a/b", b"2", "other") is None
    assert store.read("a/b").content == b"1" and store.read("a/c") is None and store.replace("a/b", b"3", tag)
    assert store.names("a/") == ["a/b"] and store.size("a/b") == 1 and not store.move("x", "y")
    expected = {"create": 1, "create (lost)": 1, "replace": 1, "replace (lost)": 1, "read": 1, "read (lost)": 1}
    assert asked == expected | {"names": 1, "names (pages of 1000)": 1, "size": 1, "move (lost)": 1}
    (worker,) = workers(store, 1)
    claim = worker.take()
    assert not tally.committed
    claim.commit(claim.new_attempt())
    assert len(tally.committed) == 1 and np.isfinite(tally.committed).all()

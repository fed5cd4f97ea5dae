"""What keeps a run of hundreds of workers light: leaders rest, helpers believe the manifest, and it is written seldom."""

import time
from threading import Barrier

import pytest

from benchmarks.simulated.flows import SimulatedRun, sleep
from benchmarks.simulated.tally import CountedStore, Tally
from dataset.manifest import Manifest
from dataset.shards import Shard
from dataset.storage.folder import FolderStore
from dataset.work import control
from dataset.work.claims import Claims
from tasks.config import RenderIHConfig
from tasks.limits import Watch
from tasks.sharing import share as engine
from tasks.sharing.share import Work
from tasks.sharing.stage import Stage

SHARDS = [f"{number:05d}" for number in range(110)]
STAGE = Stage("images", lambda run: SHARDS, sleep, table="rejected")


@pytest.fixture
def store(tmp_path) -> CountedStore:
    store = CountedStore(FolderStore(tmp_path / "dataset"), Tally("worker"))
    Manifest.open(store, {"shards": len(SHARDS), "seconds": 0.0})
    control.begin(store)
    return store


def a_run(store) -> SimulatedRun:
    config = RenderIHConfig()
    return SimulatedRun(Manifest.read(store), config, "worker", Watch(config.limits), store._tally)


def test_a_leader_rests_longer_the_more_claims_it_reads_but_never_long(store):
    work = Work.of(a_run(store), STAGE)
    assert work.rest == engine.POLL
    others = Claims(store, "images", SHARDS, 60.0)
    claims = [others.take() for _ in range(60)]
    work.collect()
    assert work.rest >= 60 / engine._READS > engine.POLL
    claims += [others.take() for _ in range(50)]
    work.collect()
    work.looked = 0.0
    assert work.rest == engine._LONGEST_POLL
    for claim in claims:
        claim.release()
    work.collect()
    work.looked = 0.0
    assert work.rest == engine.POLL
    work.looked = 0.3
    assert work.rest == pytest.approx(3.0), "a tenth of its time"
    work.looked = 2.0
    assert work.rest == engine._LONGEST_POLL


def test_a_large_manifest_is_written_seldom(store, monkeypatch):
    monkeypatch.setattr(engine, "_WRITE_EVERY", 0.0)
    work, written = Work.of(a_run(store), STAGE), []
    monkeypatch.setattr(work.run.manifest, "include", lambda shards: (time.sleep(0.05), written.append([*shards])))
    others = Claims(store, "images", SHARDS, 60.0)
    for _ in range(2):
        claim = others.take()
        claim.commit(claim.new_attempt())
        assert work.collect()
    assert len(written) == 1
    assert 0.5 < work._write_from - time.monotonic() < 60
    work.collect(at_once=True)
    assert len(written) == 2


def test_a_helper_believes_what_was_listed_since_it_joined_and_nothing_older(store):
    leader = Manifest.read(store)
    leader.add("rejected", Shard(SHARDS[0], 1, 1, "x"))  # its file is lost, so it is to be made again
    run = a_run(store)
    work = Work.of(run, STAGE)
    assert SHARDS[0] in work.claims.open and not work.listed_since()
    others = Claims(store, "images", SHARDS[1:], 60.0)
    for _ in SHARDS[1:]:
        others.take()
    leader.include(("rejected", Shard(name, 1, 1, "x")) for name in SHARDS[1:])
    assert work.listed_since() == set(SHARDS[1:])
    work.claims.made_elsewhere = work.listed_since
    assert work.make_one() and not work.over
    store._tally.asked.clear()
    assert not work.make_one() and work.over
    assert store._tally.asked["read"] == 2, "the manifest, and the claim of its own shard, which is not listed yet"


def test_looking_for_files_that_the_manifest_lists_goes_on_side_by_side(store, monkeypatch):
    leader = Manifest.read(store)
    leader.include(("rejected", Shard(name, 1, 1, "x")) for name in SHARDS)
    two = Barrier(2, timeout=60)
    monkeypatch.setattr(FolderStore, "size", lambda self, name: two.wait() * 0 + 1)
    assert Work.of(a_run(store), STAGE).over

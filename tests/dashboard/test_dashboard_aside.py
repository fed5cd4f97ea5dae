"""Shards that were set aside, and what a watched run reads of what the run says."""

import json

from dashboard.watching.aside import EVERY, MOST, AsideReader
from dashboard.watching.pulse import Health
from dashboard.watching.run import WatchedRun
from dataset.errors import StorageError
from dataset.storage.folder import FolderStore
from dataset.work.control import Control
from tests.dashboard.states import manifest, worker


def claim(store, name, state, faults=()):
    store.write(f".work/claims/{name}.json", json.dumps({"state": state, "faults": list(faults)}).encode())


class Counting(FolderStore):
    """Counts what is read."""

    reads = 0

    def read(self, name):
        self.reads += 1
        return super().read(name)


def test_shards_that_were_set_aside_are_found(tmp_path):
    store, found = Counting(tmp_path), manifest(tmp_path, images={"a": 1}, plan={"a": 1, "b": 1, "c": 1})
    claim(store, "images/a", "done")
    claim(store, "images/b", "failed", ["no light", "no light at all"])
    claim(store, "images/c", "held")
    reader, busy = AsideReader(store), worker(shard="c", troubles={"failed": 2})
    assert reader.look(found, (worker(shard="c"),), 0.0) == {} and store.reads == 0, "nobody tells of trouble"
    assert reader.look(found, (busy,), 1.0) == {"images/b": ("no light", "no light at all")} and store.reads == 1
    claim(store, "images/b", "free")
    assert reader.look(found, (busy,), 2.0) and store.reads == 1, "not before it is time"
    assert reader.look(found, (busy,), 2.0 + EVERY) == {}


def test_few_claims_are_read_at_a_time(tmp_path):
    store, found = Counting(tmp_path), manifest(tmp_path)
    for number in range(3 * MOST):
        claim(store, f"images/{number:03d}", "failed", ["x"])
    reader, told = AsideReader(store), (worker(troubles={"failed": 9}),)
    counts = []
    for look in range(3):
        counts.append(len(reader.look(found, told, look * EVERY)))
        assert store.reads == (look + 1) * MOST
    assert counts == [MOST, 2 * MOST, 3 * MOST]


def test_claims_that_cannot_be_read_keep_what_is_known(tmp_path, monkeypatch):
    store, found = FolderStore(tmp_path), manifest(tmp_path)
    claim(store, "images/b", "failed", ["x"])
    reader, told = AsideReader(store), (worker(troubles={"failed": 1}),)
    assert reader.look(found, told, 0.0)

    def silent(prefix):
        raise StorageError("no answer")

    monkeypatch.setattr(store, "names", silent)
    assert reader.look(found, told, EVERY) == {"images/b": ("x",)}


def test_a_watched_run_reads_what_the_run_says(tmp_path):
    (tmp_path / "run").mkdir()
    store = FolderStore(tmp_path / "run")
    found = manifest(tmp_path / "run", {"operation": "run", "stopped": "2 hours have passed"}, ["train"])
    found.create()
    store.write(".work/workers/w.json", json.dumps({"worker": "w", "beat": 1, "state": "working"}).encode())
    Control("paused", "too dark").write(store)
    now = [0.0]
    run = WatchedRun("run", store, clock=lambda: now[0])
    run.look()
    assert run.state.control == Control("paused", "too dark") and not run.state.is_whole
    assert run.state.workers[0].is_at_work, "a run that was stopped may go on"
    now[0] = 1000.0
    assert run.look().workers[0].health is Health.LEFT

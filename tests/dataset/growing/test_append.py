"""An addition: what was there stays as it is until the new manifest, whenever it is stopped."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dataset import atomic
from dataset.errors import InputError
from dataset.growing import staging
from dataset.growing.staging import Staging, locked
from dataset.growing.union import append, merge
from dataset.manifest import FILE, Manifest
from dataset.shards import file_sha256, iterate_rows
from dataset.verification.verify import verify
from tests.dataset.growing.conftest import build, checksum, state, with_name

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def grown(our_samples, theirs, tmp_path_factory) -> dict[str, bytes]:
    """What an addition that nobody stopped gives."""
    folder = build(tmp_path_factory.mktemp("append") / "growing", our_samples, seed=7)
    append(folder, theirs)
    return state(folder)


@pytest.fixture
def other(our_samples, tmp_path) -> Path:
    """Another dataset that could be added instead, of a seed and names of its own."""
    (sample,) = our_samples[-1:]
    sample = with_name(sample, 40)
    for row in (sample["plan"], sample["images"]["render"]):
        row["seed"] = 4040
    return build(tmp_path / "other", [sample], seed=9, refused_from=40)


def test_the_result_is_sound_and_the_old_files_stay(growing, ours, theirs, hands):
    before, other, done = state(growing), state(theirs), []
    manifest = append(growing, theirs, done.append)
    after = state(growing)
    assert verify(growing, hands).problems == ()
    assert {name: after[name] for name in before if name != FILE} == {n: before[n] for n in before if n != FILE}
    assert state(theirs) == other
    assert sorted(manifest.shards["images"]) == ["00000", "00001", "00002", "test-00000", "train-00000"]
    assert sorted(manifest.shards["rejected"]) == [f"{number:05d}" for number in range(6)]
    assert sum(done) == 3 * 3 + 5
    assert manifest == Manifest.read(growing) and manifest.rows("images") == 8
    assert manifest.splits["train"]["images"] == 4
    assert manifest.runs.keys() == {checksum(ours), checksum(theirs)}


def test_rows_are_those_of_a_merge(growing, theirs, ours, tmp_path):
    append(growing, theirs)
    merge([ours, theirs], tmp_path / "both")
    for table, key in (("images", "sample_id"), ("plan", "sample_id"), ("poses", "pose_id")):
        rows = [
            {row[key]: row for row in iterate_rows(Manifest.read(folder).paths(table))}
            for folder in (growing, tmp_path / "both")
        ]
        assert rows[0] == rows[1]


def test_history_is_kept_as_it_grows(growing, theirs, other):
    fingerprints = [file_sha256(growing / FILE)]
    append(growing, theirs)
    fingerprints.append(file_sha256(growing / FILE))
    manifest = append(growing, other)
    assert manifest.origin["operation"] == "append"
    assert [past["operation"] for past in manifest.origin["history"]] == ["run", "append"]
    assert manifest.origin["history"][1]["of"][0]["fingerprint"] == fingerprints[0]
    assert manifest.origin["of"][0]["fingerprint"] == fingerprints[1]
    assert [entry["images"] for entry in manifest.origin["of"]] == [8, 1]
    assert manifest.rows("images") == 9 and len(manifest.runs) == 3
    assert "origin" not in str(manifest.origin), "a list, not a nest"


def test_what_is_there_already_is_refused(growing, theirs):
    with pytest.raises(InputError, match="are the same dataset"):
        append(growing, growing)
    append(growing, theirs)
    before = state(growing)
    with pytest.raises(InputError, match="have 3 images in common"):
        append(growing, theirs)
    assert state(growing) == before


def test_unfinished_and_foreign_folders_are_refused_untouched(growing, theirs, tmp_path):
    with pytest.raises(InputError, match="is not a dataset"):
        append(tmp_path, theirs)
    assert not list(tmp_path.glob(".growing*"))
    manifest = Manifest.read(growing)
    manifest.splits = {}
    manifest.replace()
    with pytest.raises(InputError, match="is not finished"):
        append(growing, theirs)
    assert not list(growing.glob(".growing*"))


def stop_when(monkeypatch, name):
    """Stops the program before a file of that name is put in its place."""
    rename = Path.replace

    def stop(self, target):
        if Path(target).name == name and staging.FOLDER not in str(target):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", stop)


@pytest.mark.parametrize("recorded", [1, 5, 9])
def test_stopped_at_a_file_nothing_has_changed_and_it_goes_on(growing, theirs, grown, monkeypatch, recorded):
    before, record, written = state(growing), Staging._add, []

    def stop(self, table, shard):
        record(self, table, shard)
        written.append(shard)
        if len(written) == recorded:
            raise KeyboardInterrupt

    monkeypatch.setattr(Staging, "_add", stop)
    with pytest.raises(KeyboardInterrupt):
        append(growing, theirs)
    assert state(growing) == before
    append(growing, theirs)
    assert state(growing) == grown
    assert len(written) == 9, "no file was made twice"


@pytest.mark.parametrize("name", ["test-00000.parquet", "train-00000.parquet", FILE])
def test_stopped_while_files_are_put_in_place_the_old_dataset_is_whole(growing, theirs, grown, monkeypatch, name):
    before = state(growing)
    with monkeypatch.context() as patch:
        stop_when(patch, name)
        with pytest.raises(KeyboardInterrupt):
            append(growing, theirs)
    now = state(growing)
    assert {path: now[path] for path in before} == before
    append(growing, theirs)
    assert state(growing) == grown


def test_leftovers_of_a_stopped_addition_go_when_another_is_made(growing, theirs, other, monkeypatch, hands):
    with monkeypatch.context() as patch:
        stop_when(patch, FILE)
        with pytest.raises(KeyboardInterrupt):
            append(growing, theirs)
    assert (growing / "poses" / "test-00000.parquet").exists()
    manifest = append(growing, other)
    assert verify(growing, hands, pictures=False).problems == ()
    assert manifest.rows("images") == 6 and len(manifest.origin["history"]) == 1
    assert not (growing / staging.FOLDER).exists()


def test_killed_by_the_system_it_goes_on(growing, theirs, grown):
    before = state(growing)
    program = """
        import os, signal, sys
        from pathlib import Path
        from dataset.growing.union import append
        from dataset.manifest import Manifest
        Manifest.replace = lambda self: os.kill(os.getpid(), signal.SIGKILL)
        append(Path(sys.argv[1]), Path(sys.argv[2]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(growing), str(theirs)]
    assert subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}).returncode == -signal.SIGKILL
    assert Manifest.read(growing).rows("images") == 5
    assert {path: state(growing)[path] for path in before} == before
    append(growing, theirs)
    assert state(growing) == grown


def test_a_full_disk_leaves_the_dataset_as_it_was(growing, theirs, grown, monkeypatch):
    before, calls = state(growing), []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(InputError, match="no space left to write it"):
            append(growing, theirs)
    assert state(growing) == before
    append(growing, theirs)
    assert state(growing) == grown


def test_only_one_addition_at_a_time(growing, theirs):
    with locked(growing), pytest.raises(InputError, match="another render-ih is changing it"):
        append(growing, theirs)
    assert append(growing, theirs).rows("images") == 8

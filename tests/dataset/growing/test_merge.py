"""A merge: every row of all datasets, sound, nothing changed in them, and refused where they do not go together."""

import copy
import errno
import json
import os
from pathlib import Path

import pytest

from dataset import atomic
from dataset.errors import InputError
from dataset.growing import pieces, staging
from dataset.growing.inputs import Input
from dataset.growing.staging import Staging, locked
from dataset.growing.subset import subset
from dataset.growing.union import merge
from dataset.manifest import FILE, Manifest
from dataset.shards import file_sha256, iterate_rows
from dataset.verification.verify import verify
from tests.dataset.growing.conftest import build, checksum, of_split, state, with_name


def rows_of(manifest: Manifest, table: str) -> dict[str, dict]:
    return {row["sample_id"]: row for row in iterate_rows(manifest.paths(table))}


@pytest.fixture(scope="module")
def merged(ours, theirs, tmp_path_factory) -> Manifest:
    return merge([ours, theirs], tmp_path_factory.mktemp("merge") / "both")


def test_the_result_is_sound_and_the_datasets_are_as_they_were(our_samples, their_samples, hands, tmp_path):
    folders = [build(tmp_path / "a", our_samples, seed=7), build(tmp_path / "b", their_samples, seed=8)]
    before, done = [state(folder) for folder in folders], []
    manifest = merge(folders, tmp_path / "both", done.append)
    assert verify(manifest.folder, hands).problems == ()
    assert [state(folder) for folder in folders] == before
    assert {table: manifest.rows(table) for table in manifest.shards} == {
        "poses": 8,
        "plan": 8,
        "images": 8,
        "rejected": 10,
    }
    assert sum(done) == 34
    assert manifest == Manifest.read(tmp_path / "both") and manifest.is_finished
    assert not (tmp_path / "both" / staging.FOLDER).exists()


def test_the_manifest_says_what_was_put_together(merged, ours, theirs):
    assert merged.runs.keys() == {checksum(ours), checksum(theirs)}
    first, second = merged.origin["of"]
    assert merged.origin["operation"] == "merge"
    assert first == {"name": "ours", "fingerprint": file_sha256(ours / FILE), "images": 5}
    assert second["fingerprint"] == file_sha256(theirs / FILE) and second["images"] == 3
    assert str(ours.parent) not in (merged.folder / FILE).read_text()
    assert {name: split["images"] for name, split in merged.splits.items()} == {"test": 2, "train": 4, "validation": 2}


def test_files_have_the_names_of_their_split_and_are_the_very_same(merged, ours):
    assert sorted(merged.shards["images"]) == [
        "test-00000",
        "test-00001",
        "train-00000",
        "train-00001",
        "validation-00000",
    ]
    assert sorted(merged.shards["rejected"]) == [f"{number:05d}" for number in range(6)]
    here, there = merged.path("images", "train-00000"), ours / "images" / "00000.parquet"
    assert here.stat().st_ino == there.stat().st_ino, "linked"
    assert merged.shards["images"]["train-00000"].sha256 == Manifest.read(ours).shards["images"]["00000"].sha256


def test_names_that_collide_get_a_prefix_in_every_table(merged, their_samples, theirs):
    prefix = checksum(theirs)[:6] + "-"
    assert merged.origin["of"][1]["renamed"] == prefix
    images, plan = rows_of(merged, "images"), rows_of(merged, "plan")
    assert images.keys() == plan.keys()
    assert set(images) == {f"{n:06d}-0" for n in range(5)} | {f"{prefix}{n:06d}-0" for n in range(3)}
    poses = {row["pose_id"]: row for row in iterate_rows(merged.paths("poses"))}
    for number, sample in enumerate(their_samples):
        image = images[f"{prefix}{number:06d}-0"]
        assert image["pose_id"] == plan[image["sample_id"]]["pose_id"] == f"{prefix}{number:06d}"
        assert poses[image["pose_id"]]["right"]["hand_pose"] == pytest.approx(sample["poses"]["right"]["hand_pose"])
        assert image["image"]["path"] == prefix + sample["images"]["image"]["path"]
        assert image["image"]["bytes"] == sample["images"]["image"]["bytes"] and image["normals"] is None
        assert plan[image["sample_id"]]["seed"] == sample["plan"]["seed"], "what a picture is drawn from stays"
        assert image["provenance"]["config_sha256"] == checksum(theirs)
    refused = [row["pose_id"] for row in iterate_rows(merged.paths("rejected"))]
    assert refused == [f"r{n}" for n in range(5)] + [f"{prefix}r{n}" for n in range(5)]
    assert {row["sample_id"] for row in iterate_rows(merged.paths("rejected"))} == {""}


def test_names_that_do_not_collide_stay(ours, their_samples, tmp_path, hands):
    others = [with_name(sample, 90 + number) for number, sample in enumerate(their_samples)]
    theirs = build(tmp_path / "theirs", others, seed=8, refused_from=90)
    manifest = merge([ours, theirs], tmp_path / "both")
    assert verify(manifest.folder, hands, pictures=False).ok
    assert "000091-0" in rows_of(manifest, "images")
    assert not any("renamed" in entry for entry in manifest.origin["of"])
    assert manifest.path("images", "train-00001").stat().st_ino == (theirs / "images/00000.parquet").stat().st_ino


def test_parts_of_one_run_come_together_again(ours, tmp_path, hands):
    parts = [subset(ours, f"split = '{split}'", tmp_path / split).folder for split in ("train", "validation", "test")]
    manifest = merge(parts, tmp_path / "whole")
    assert verify(manifest.folder, hands, pictures=False).ok
    assert rows_of(manifest, "images") == rows_of(Manifest.read(ours), "images")
    assert list(manifest.runs) == [checksum(ours)]
    assert manifest.origin["of"][0]["origin"]["where"] == "split = 'train'"


def test_a_prefix_that_is_taken_is_made_longer(ours, theirs, their_samples, tmp_path, hands):
    """Two parts of one run that share a pose, merged with a run that has their names."""
    again = [with_name(sample, number) for number, sample in enumerate(their_samples[:1])]
    for row in (again[0]["plan"], again[0]["images"]["render"]):
        row["seed"] += 1
    part = build(tmp_path / "part", again, seed=8)
    manifest = merge([ours, theirs, part], tmp_path / "all")
    assert [entry.get("renamed") for entry in manifest.origin["of"]] == [
        None,
        checksum(theirs)[:6] + "-",
        checksum(theirs)[:7] + "-",
    ]
    assert len(rows_of(manifest, "images")) == manifest.rows("images") == 9
    assert verify(manifest.folder, hands, pictures=False).ok


def test_a_disk_that_cannot_link_gets_checked_copies(ours, theirs, tmp_path, monkeypatch, merged):
    def refuse(*names):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(pieces.os, "link", refuse)
    manifest = merge([ours, theirs], tmp_path / "both")
    assert manifest.path("images", "train-00000").stat().st_ino != (ours / "images/00000.parquet").stat().st_ino
    assert state(tmp_path / "both") == state(merged.folder)


@pytest.mark.parametrize("number", [0, 1], ids=["copied", "renamed"])
def test_a_damaged_file_is_not_taken_over(our_samples, their_samples, tmp_path, monkeypatch, number):
    folders = [build(tmp_path / "ours", our_samples, seed=7), build(tmp_path / "theirs", their_samples, seed=8)]
    path = folders[number] / "images" / "00000.parquet"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(pieces.os, "link", lambda *names: (_ for _ in ()).throw(OSError(errno.EXDEV, "")))
    with pytest.raises(InputError, match=r"images/00000\.parquet: is not the file that its manifest lists"):
        merge(folders, tmp_path / "both")
    assert not (tmp_path / "both" / FILE).exists()


def test_stopped_anywhere_the_same_call_goes_on(ours, theirs, merged, tmp_path, monkeypatch):
    out, record, written = tmp_path / "both", Staging._add, []

    def stop_before(self, table, shard):
        written.append((table, shard.name))
        if len(written) % 5 == 0:
            raise KeyboardInterrupt
        record(self, table, shard)
        if len(written) % 7 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(Staging, "_add", stop_before)
    while True:
        try:
            merge([ours, theirs], out)
            break
        except KeyboardInterrupt:
            assert not (out / FILE).exists() and state(out) == {}
    assert state(out) == state(merged.folder)
    assert len(written) == 21 + 5, "a file that was not yet recorded is made again, and no other"


def test_stopped_while_files_are_put_in_place_it_ends_the_same(ours, theirs, merged, tmp_path, monkeypatch):
    out, rename = tmp_path / "both", Path.replace

    def stop(self, target):
        if Path(target).name == "validation-00000.parquet" and Path(target).parent.parent == out:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            merge([ours, theirs], out)
    assert not (out / FILE).exists()
    merge([ours, theirs], out)
    assert state(out) == state(merged.folder)


def test_a_journal_that_was_cut_short_costs_one_file(ours, theirs, merged, tmp_path, monkeypatch):
    out = tmp_path / "both"
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "publish", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            merge([ours, theirs], out)
    journal = out / staging.FOLDER / "journal"
    journal.write_text(journal.read_text()[:-20])
    merge([ours, theirs], out)
    assert state(out) == state(merged.folder)


def test_a_finished_merge_is_left_alone_and_another_one_refused(ours, theirs, tmp_path, monkeypatch):
    out = tmp_path / "both"
    first = merge([ours, theirs], out)
    monkeypatch.setattr(Staging, "build", lambda *arguments: pytest.fail("made again"))
    assert merge([ours, theirs], out) == first
    with pytest.raises(InputError, match="holds another dataset; give an empty directory, or append"):
        merge([theirs, ours], out)


def test_half_of_another_merge_is_refused_and_of_another_program_made_again(
    ours, theirs, merged, tmp_path, monkeypatch
):
    out = tmp_path / "both"
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "publish", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(staging, "code_version", lambda: "0.0.1")
        with pytest.raises(KeyboardInterrupt):
            merge([ours, theirs], out)
    with pytest.raises(InputError, match="holds another dataset, which was stopped half-way"):
        merge([theirs, ours], out)
    written = []
    monkeypatch.setattr(Staging, "_has", lambda self, *name: written.append(bool(self.shards["images"])) or False)
    merge([ours, theirs], out)
    assert not written[0] and state(out) == state(merged.folder)


def test_a_full_disk_is_one_sentence_and_leaves_everything(ours, theirs, merged, tmp_path, monkeypatch):
    out, before, written = tmp_path / "both", [state(ours), state(theirs)], []

    def full(descriptor):
        written.append(descriptor)
        if len(written) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(InputError, match="no space left to write it; free some and run again") as caught:
            merge([ours, theirs], out)
    assert "\n" not in str(caught.value)
    assert [state(ours), state(theirs)] == before
    merge([ours, theirs], out)
    assert state(out) == state(merged.folder)


def test_the_same_images_are_refused(ours, theirs, our_samples, tmp_path, merged):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="are the same dataset; give each one once"):
        merge([ours, theirs, ours], out)
    with pytest.raises(InputError, match=r"have 3 images in common, the first is '000000-0'"):
        merge([theirs, merged.folder], out)
    renamed = [with_name(sample, 50 + number) for number, sample in enumerate(our_samples[:1])]
    with pytest.raises(InputError, match=r"have an image in common, the first is '000000-0'"):
        merge([ours, build(tmp_path / "renamed", renamed, seed=9, refused_from=9)], out)
    assert not out.exists()


def test_assets_in_two_splits_are_refused(ours, their_samples, tmp_path, hands):
    moved = copy.deepcopy(their_samples[:1])
    for row in (moved[0]["plan"], moved[0]["images"]["render"]):
        row["hdri"] = "validation-studio"
    out = tmp_path / "out"
    with pytest.raises(InputError, match="environment 'validation-studio' is in train and validation; take a subset"):
        merge([ours, build(tmp_path / "moved", moved, seed=8)], out)
    from tests.dataset.synthetic import make_sample

    same_person = of_split(make_sample(9, hands, person=0), "test")
    with pytest.raises(InputError, match="the hand shape of 000000-0 is in test and train"):
        merge([ours, build(tmp_path / "person", [same_person], seed=8)], out)
    everything = [of_split(with_name(sample, 70), "validation") for sample in their_samples[:1]]
    for row in (everything[0]["plan"], everything[0]["images"]["render"]):
        row["hdri"], row["skin_right"] = "train-studio", "train-skin-0"
    with pytest.raises(InputError, match=r"skin 'train-skin-0' is in train and validation \(and 1 more like it\)"):
        merge([ours, build(tmp_path / "both", everything, seed=8)], out)
    assert not out.exists()


@pytest.fixture
def changed(their_samples, tmp_path):
    """Writes `theirs` with a manifest that a function has changed."""

    def write(change) -> Path:
        folder = build(tmp_path / "changed", their_samples, seed=8)
        content = json.loads((folder / FILE).read_text())
        change(content)
        (folder / FILE).write_text(json.dumps(content))
        return folder

    return write


def other_hands(content):
    next(iter(content["runs"].values()))["config"]["inputs"]["hands"]["right"] = "0" * 64


def unfinished(content):
    content["splits"] = {}


def older(content):
    content["schema"] = "2.0"


def lost(content):
    content["tables"]["poses"]["shards"][0]["bytes"] += 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (other_hands, "was made with another hand model than"),
        (unfinished, "is not finished"),
        (older, r"is of schema 2\.0, and a dataset is made from others of schema 2\.1 only"),
        (lost, r"poses/00000\.parquet: is missing or cut short"),
    ],
)
def test_what_cannot_be_put_together_is_refused(ours, changed, tmp_path, change, sentence, monkeypatch):
    if change is older:
        monkeypatch.setattr("dataset.manifest.VERSION", "2.1")
        monkeypatch.setattr("dataset.growing.inputs.VERSION", "2.1")
        ours = changed(lambda content: content.update(schema="2.1")).rename(tmp_path / "newer")
    with pytest.raises(InputError, match=sentence) as caught:
        merge([ours, changed(change)], tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_targets_that_hold_something_are_refused_untouched(ours, theirs, tmp_path, our_samples):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_text("mine")
    with pytest.raises(InputError, match=r"is not empty \(it holds holiday.jpg\)"):
        merge([ours, theirs], photos)
    assert [path.name for path in photos.iterdir()] == ["holiday.jpg"]
    with pytest.raises(InputError, match="is a file"):
        merge([ours, theirs], photos / "holiday.jpg")
    with pytest.raises(InputError, match="lies in"):
        merge([ours, theirs], ours / "more")
    with pytest.raises(InputError, match="takes two datasets or more"):
        merge([ours], tmp_path / "one")
    with pytest.raises(InputError, match="is not a dataset"):
        merge([ours, photos], tmp_path / "out")


def test_two_commands_do_not_change_one_folder(ours, theirs, tmp_path):
    out = tmp_path / "both"
    with locked(out), pytest.raises(InputError, match="another render-ih is changing it"):
        merge([ours, theirs], out)
    assert merge([ours, theirs], out).is_finished, "a lock that is left is none"


def test_a_damaged_table_is_one_sentence(our_samples, theirs, tmp_path):
    folder = build(tmp_path / "ours", our_samples, seed=7)
    path = folder / "images" / "00001.parquet"
    path.write_bytes(b"x" * path.stat().st_size)
    assert Input.read(folder), "its size is right"
    with pytest.raises(InputError, match=r"cannot be read .*render-ih verify") as caught:
        merge([folder, theirs], tmp_path / "both")
    assert "\n" not in str(caught.value)

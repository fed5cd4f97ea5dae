"""A subset: the chosen images, their plan and poses, in their order, as a sound dataset of its own."""

import copy
import errno
import os

import pytest

from dataset.errors import InputError
from dataset.growing import pieces
from dataset.growing import subset as room
from dataset.growing.staging import Staging
from dataset.growing.subset import subset
from dataset.growing.union import merge
from dataset.manifest import FILE, Manifest
from dataset.shards import Shard, file_sha256, iterate_rows, open_shard
from dataset.verification.verify import verify
from tests.dataset.growing.conftest import build, checksum, of_split, state, with_name


def ids(manifest: Manifest, table: str, column: str = "sample_id") -> list[str]:
    return [row[column] for row in iterate_rows(manifest.paths(table), [column])]


def test_the_result_is_sound_and_the_dataset_is_as_it_was(growing, tmp_path, hands):
    before, done = state(growing), []
    where = "sample_id NOT IN ('000000-0', '000004-0')"
    manifest = subset(growing, where, tmp_path / "part", done.append)
    assert verify(manifest.folder, hands).problems == ()
    assert state(growing) == before
    assert ids(manifest, "images") == ids(manifest, "plan") == ["000001-0", "000002-0", "000003-0"]
    assert ids(manifest, "poses", "pose_id") == ["000001", "000002", "000003"]
    assert manifest.rows("rejected") == 0
    assert sum(done) == 5 and manifest == Manifest.read(tmp_path / "part")
    assert {name: split["images"] for name, split in manifest.splits.items()} == {"train": 1, "validation": 2}
    assert manifest.origin == {
        "operation": "subset",
        "of": [{"name": "growing", "fingerprint": file_sha256(growing / FILE), "images": 5}],
        "where": where,
    }


def test_rows_are_the_very_same(ours, tmp_path):
    whole = {row["sample_id"]: row for row in iterate_rows(Manifest.read(ours).paths("images"))}
    part = subset(ours, "interaction.contact_vertices % 2 = 0", tmp_path / "part")
    rows = list(iterate_rows(part.paths("images")))
    assert [row["sample_id"] for row in rows] == ["000004-0", "000000-0", "000002-0"], "test, train, validation"
    assert all(row == whole[row["sample_id"]] for row in rows)


def test_a_file_that_is_taken_whole_is_linked_and_others_are_cut(ours, tmp_path):
    manifest = subset(ours, "split <> 'test' AND sample_id <> '000003-0'", tmp_path / "part")
    assert sorted(manifest.shards["images"]) == ["train-00000", "validation-00000"]
    assert manifest.path("images", "train-00000").stat().st_ino == (ours / "images/00000.parquet").stat().st_ino
    assert manifest.shards["images"]["validation-00000"].rows == 1


@pytest.fixture(scope="module")
def long(samples, tmp_path_factory):
    """24 images of one split in files of 5."""
    rows = [of_split(with_name(samples[number % 3], number), "train") for number in range(24)]
    for number, sample in enumerate(rows):
        sample["plan"]["seed"] = sample["images"]["render"]["seed"] = number
    return build(tmp_path_factory.mktemp("long") / "long", rows, seed=7, rows_per_shard=5)


@pytest.fixture
def small_files(monkeypatch):
    """Files of eight images, in groups of four."""
    monkeypatch.setattr(room, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(pieces, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr("dataset.shards.ROWS_PER_GROUP", 4)
    monkeypatch.setattr(room, "FILE_BYTES", 1)
    whole = room._rows_of_a_file
    monkeypatch.setattr(room, "_rows_of_a_file", lambda manifest: 2 * whole(manifest))


def test_many_rows_are_cut_into_files_of_a_size(long, tmp_path, hands, small_files):
    manifest = subset(long, "render.seed <> 0", tmp_path / "part")
    assert verify(manifest.folder, hands, pictures=False).problems == ()
    for table in ("images", "plan", "poses"):
        assert [shard.rows for _, shard in sorted(manifest.shards[table].items())] == [8, 8, 7], table
        with open_shard(manifest.path(table, "train-00000")) as file:
            assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4]
    assert ids(manifest, "images") == [f"{number:06d}-0" for number in range(1, 24)]


def test_whole_files_stay_when_it_is_their_turn(long, tmp_path, small_files):
    manifest = subset(long, "render.seed NOT IN (10, 11)", tmp_path / "part")
    assert [shard.rows for _, shard in sorted(manifest.shards["images"].items())] == [5, 5, 8, 4]
    assert ids(manifest, "images") == [f"{number:06d}-0" for number in range(24) if number not in (10, 11)]


@pytest.mark.parametrize(
    ("rows", "each", "expected"),
    [(1500, 250_000, 1536), (13, 250_000, 1536), (1500, 500, 1920), (5000, 60_000, 4992), (20, 10_000_000, 128)],
)
def test_files_are_of_the_size_that_readers_like(tmp_path, rows, each, expected):
    manifest = Manifest(tmp_path, {})
    manifest.shards["images"] = {name: Shard(name, rows, rows * each, "") for name in ("a", "b")}
    assert room._rows_of_a_file(manifest) == expected


def test_a_limit_is_spread_and_recorded(long, tmp_path):
    manifest = subset(long, "true", tmp_path / "part", limit=4)
    assert ids(manifest, "images") == ["000005-0", "000011-0", "000017-0", "000023-0"]
    assert manifest.origin["limit"] == 4
    with pytest.raises(InputError, match="give 1 or more"):
        subset(long, "true", tmp_path / "none", limit=0)


def test_runs_that_made_none_of_the_images_are_left_out(ours, theirs, tmp_path, hands):
    both = merge([ours, theirs], tmp_path / "both").folder
    manifest = subset(both, f"provenance.config_sha256 = '{checksum(theirs)}'", tmp_path / "part")
    assert list(manifest.runs) == [checksum(theirs)] and manifest.config_sha256 == checksum(theirs)
    assert manifest.origin["of"][0]["origin"]["operation"] == "merge"
    assert verify(manifest.folder, hands, pictures=False).ok


def test_stopped_it_goes_on_with_the_next_file(long, tmp_path, monkeypatch, small_files):
    where, record, written = "render.seed <> 0", Staging._add, []
    complete = state(subset(long, where, tmp_path / "complete").folder)

    def stop(self, table, shard):
        record(self, table, shard)
        written.append(shard)
        if len(written) in (2, 8):
            raise KeyboardInterrupt

    monkeypatch.setattr(Staging, "_add", stop)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            subset(long, where, tmp_path / "part")
        assert state(tmp_path / "part") == {}
    with pytest.raises(InputError, match="stopped half-way"):
        subset(long, "render.seed <> 1", tmp_path / "part")
    subset(long, where, tmp_path / "part")
    assert state(tmp_path / "part") == complete and len(written) == 9
    assert subset(long, where, tmp_path / "part").rows("images") == 23
    with pytest.raises(InputError, match="holds another dataset"):
        subset(long, "render.seed <> 1", tmp_path / "part")


def test_nothing_chosen_and_bad_targets_are_refused(ours, tmp_path):
    with pytest.raises(InputError, match="no image meets this"):
        subset(ours, "width = 1", tmp_path / "part")
    with pytest.raises(InputError, match="lies in"):
        subset(ours, "true", ours)
    assert not (tmp_path / "part").exists()


def test_a_damaged_file_is_not_taken_over(our_samples, tmp_path):
    folder = build(tmp_path / "damaged", our_samples, seed=7)
    path = folder / "images" / "00000.parquet"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"images/00000\.parquet: is not the file that its manifest lists"):
        subset(folder, "sample_id = '000001-0'", tmp_path / "part")
    assert subset(folder, "split = 'test'", tmp_path / "other").rows("images") == 1


def test_an_image_without_its_pose_or_plan_is_refused(our_samples, tmp_path):
    samples = copy.deepcopy(our_samples)
    samples[1]["images"]["pose_id"] = "nobody"
    with pytest.raises(InputError, match="not every image has one row in `poses`; `render-ih verify`"):
        subset(build(tmp_path / "orphan", samples, seed=7), "true", tmp_path / "part")


def test_a_full_disk_is_one_sentence(ours, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dataset.atomic.os.fsync", full)
    with pytest.raises(InputError, match="no space left to write it"):
        subset(ours, "true", tmp_path / "part")
    assert not (tmp_path / "part" / FILE).exists()

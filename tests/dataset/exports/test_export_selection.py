"""Which images an export takes, and how little it reads for some of them."""

from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.errors import InputError
from dataset.exports import selection as module
from dataset.exports.selection import Selection, Share
from dataset.manifest import Manifest
from dataset.shards import Shard, file_sha256


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Manifest:
    """Names and splits alone: 3 shards of 100 rows in groups of 10; test is rare."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "images").mkdir()
    shards = {}
    for number in range(3):
        path = folder / "images" / f"{number:05d}.parquet"
        splits = ["test" if n % 50 == 7 else "validation" if n % 10 == 3 else "train" for n in range(100)]
        rows = [{"sample_id": f"{number}-{n}", "split": split} for n, split in enumerate(splits)]
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10)
        shards[path.stem] = Shard(path.stem, 100, path.stat().st_size, file_sha256(path))
    return Manifest(folder, {}, shards={"images": shards, "poses": {}, "plan": {}, "rejected": {}})


def _rows(selection: Selection) -> list[dict]:
    return [row for shard in selection.counts for row in selection.rows(shard)]


@pytest.mark.parametrize("number", [0, 300, 1000])
def test_all_images_are_taken_in_order(large, number):
    rows = _rows(Selection.of(large, number))
    assert [row["sample_id"] for row in rows] == [f"{shard}-{n}" for shard in range(3) for n in range(100)]


@pytest.mark.parametrize("number", [1, 2, 3, 7, 50, 299])
def test_as_many_as_asked_for_are_taken(large, number):
    selection = Selection.of(large, number)
    rows = _rows(selection)
    assert len(rows) == sum(selection.counts.values()) == number
    assert len({row["sample_id"] for row in rows}) == number
    assert Counter(row["sample_id"].split("-")[0] for row in rows) == {
        str(int(shard)): count for shard, count in selection.counts.items()
    }


def test_every_split_is_there_in_proportion(large):
    rows = _rows(Selection.of(large, 30))
    assert Counter(row["split"] for row in rows) == {"train": 26, "validation": 3, "test": 1}


def test_a_rare_split_is_not_lost(large):
    assert {row["split"] for row in _rows(Selection.of(large, 3))} == {"train", "validation", "test"}


def test_every_shard_gives_its_share(large):
    counts = Selection.of(large, 30).counts
    assert set(counts) == set(large.shards["images"])
    assert all(8 <= count <= 12 for count in counts.values())


def test_the_same_images_every_time(large):
    assert _rows(Selection.of(large, 17)) == _rows(Selection.of(large, 17))


def test_only_row_groups_that_are_needed_are_read(large, monkeypatch):
    read = []
    original = module._batches

    def counted(file, group, *others):
        read.append(group)
        return original(file, group, *others)

    monkeypatch.setattr(module, "_batches", counted)
    assert len(_rows(Selection.of(large, 6))) == 6
    assert len(read) <= 6


@pytest.mark.parametrize("there", [1, 2, 7, 100])
def test_a_share_takes_what_it_says(there):
    for taken in range(there + 1):
        share = Share(taken, there)
        chosen = [share.takes(rank) for rank in range(there)]
        assert sum(chosen) == taken
        assert [share.before(rank) for rank in range(there + 1)] == [sum(chosen[:rank]) for rank in range(there + 1)]


def test_some_columns_only(large):
    assert set(next(Selection.of(large).rows("00000", ("split",)))) == {"split"}


@pytest.mark.parametrize("column", ["depht", "split.length", "right.shape", "image.size"])
def test_an_unknown_column_is_refused(manifest, column):
    with pytest.raises(InputError, match="has no column"):
        next(Selection.of(manifest).rows(min(manifest.shards["images"]), (column,)))


def test_a_negative_number_is_refused(large):
    with pytest.raises(InputError, match="samples is -1"):
        Selection.of(large, -1)


def test_no_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no images yet"):
        Selection.of(Manifest(tmp_path, {}))

"""What a loader finds in the footers is what is in the rows."""

import pyarrow.parquet as pq
import pytest

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.training.row_groups import find_row_groups


def counts(groups) -> list[tuple[str, int, int]]:
    return [
        (groups.paths[shard].stem, number, rows)
        for shard, number, rows in zip(groups.shard, groups.number, groups.rows, strict=True)
    ]


def expected(many_rows, splits) -> list[tuple[str, int, int]]:
    found = []
    for name, rows in many_rows.items():
        for number, first in enumerate(range(0, len(rows), 4)):
            wanted = sum(row["split"] in splits for row in rows[first : first + 4])
            found += [(name, number, wanted)] if wanted else []
    return found


@pytest.mark.parametrize("splits", [{"train"}, {"validation"}, {"train", "validation"}])
def test_groups_and_their_wanted_rows(many_dir, many_rows, splits):
    groups = find_row_groups(Manifest.read(many_dir), splits)
    assert counts(groups) == expected(many_rows, splits)
    assert groups.sizes == {(256, 192)}


def test_no_split_is_every_row(many_dir, by_id):
    assert find_row_groups(Manifest.read(many_dir)).rows.sum() == len(by_id)


def test_only_groups_of_several_splits_are_opened(many_dir, monkeypatch):
    read, opened = pq.ParquetFile.read_row_group, []
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda *args, **kw: opened.append(kw["columns"]) or read(*args, **kw)
    )
    find_row_groups(Manifest.read(many_dir), {"train"})
    assert opened == [["split", "width", "height"]] * 2  # both groups of the shard that mixes


def test_files_without_statistics_are_counted_as_well(many_dir, many_rows, tmp_path):
    manifest = Manifest.read(many_dir)
    for path in manifest.paths("images"):
        target = tmp_path / "images" / path.name
        target.parent.mkdir(exist_ok=True)
        pq.write_table(pq.read_table(path), target, row_group_size=4, write_statistics=False)
    moved = Manifest(tmp_path, {}, shards=manifest.shards)
    assert counts(find_row_groups(moved, {"train"})) == expected(many_rows, {"train"})


def test_an_unknown_split_is_refused_with_those_there_are(many_dir):
    with pytest.raises(InputError, match="has no image of trian; the splits it has are: train, validation"):
        find_row_groups(Manifest.read(many_dir), {"trian"})


def test_content_tells_splits_and_datasets_apart(many_dir, dataset_dir):
    manifest = Manifest.read(many_dir)
    told = [find_row_groups(manifest, splits).content for splits in ({"train"}, {"validation"}, ())]
    told += [find_row_groups(Manifest.read(dataset_dir)).content, find_row_groups(manifest, {"train"}).content]
    assert len(set(told)) == 4
    assert told[0] == told[-1]

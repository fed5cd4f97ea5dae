"""Tar files as WebDataset's own loader reads them."""

import tarfile

import numpy as np
import pytest
import webdataset as wds

from dataset.exports import webdataset as writer
from dataset.exports.job import export
from dataset.exports.pieces import Limit
from dataset.exports.webdataset import WebDataset
from dataset.pictures import photo, values

NUMBERS = ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth")
PICTURES = {"image", "normals", *NUMBERS}


@pytest.fixture(scope="module")
def folder(manifest, tmp_path_factory):
    return export(manifest, WebDataset(), "webdataset", tmp_path_factory.mktemp("webdataset") / "out")


def _loaded(folder, *decoders, split: str = "*") -> dict[str, dict]:
    """Sample id to sample."""
    files = [str(path) for path in sorted(folder.glob(f"{split}-*.tar"))]
    loader = wds.WebDataset(files, shardshuffle=False).decode(*decoders)
    return {sample["json"]["sample_id"]: sample for sample in loader}


def _members(folder) -> list[tarfile.TarInfo]:
    members = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as file:
            members += file.getmembers()
    return members


def test_every_sample_has_its_pictures_byte_for_byte(folder, exported_rows):
    samples = _loaded(folder)
    assert len(samples) == len(exported_rows)
    for row in exported_rows:
        sample = samples[row["sample_id"]]
        assert sample["jpg" if "jpg" in sample else "png"] == row["image"]["bytes"]
        for name in NUMBERS:
            assert sample[f"{name}.png"] == row[name]["bytes"]


def test_normals_are_there_where_the_row_has_them(folder, exported_rows):
    samples = _loaded(folder)
    for row in exported_rows:
        normals = row["normals"]["bytes"] if row["normals"] else None
        assert samples[row["sample_id"]].get("normals.png") == normals
    assert any(row["normals"] for row in exported_rows)


def test_the_json_holds_every_other_column(folder, exported_rows):
    samples = _loaded(folder)
    for row in exported_rows:
        assert samples[row["sample_id"]]["json"] == {name: row[name] for name in row if name not in PICTURES}


def test_pictures_and_masks_decode_as_the_page_says(folder, exported_rows):
    numbers = wds.handle_extension(" ".join(f"{name}.png" for name in NUMBERS), lambda png: values({"bytes": png}))
    samples = _loaded(folder, numbers, "pil")
    for row in exported_rows:
        sample = samples[row["sample_id"]]
        picture = sample["jpg" if "jpg" in sample else "png"]
        assert (np.asarray(picture) == np.asarray(photo(row["image"]))).all()
        for name in NUMBERS:
            assert (sample[f"{name}.png"] == values(row[name])).all()


def test_splits_have_tars_of_their_own(folder, exported_rows):
    for split in ("train", "validation", "test"):
        expected = [row["sample_id"] for row in exported_rows if row["split"] == split]
        assert list(_loaded(folder, split=split)) == expected


def test_a_key_has_no_dots_and_no_slashes(folder, exported_rows):
    keys = {sample["__key__"] for sample in _loaded(folder).values()}
    assert "name%2Ewith%2Fodd%20signs" in keys
    assert len(keys) == len(exported_rows)


def test_members_carry_no_time_and_no_owner(folder):
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in _members(folder)} == {(0, 0, 0, "", "")}


def test_nothing_is_a_pickle(folder):
    assert {m.name.rsplit(".", 1)[1] for m in _members(folder)} == {"json", "jpg", "png"}


def test_names_beyond_a_hundred_letters_survive(folder, tmp_path, exported_rows):
    row = dict(exported_rows[0]) | {"sample_id": "long" * 50}
    WebDataset().write_shard("a", iter([row]), tmp_path)
    WebDataset().finish(tmp_path, ["a"])
    assert list(_loaded(tmp_path)) == ["long" * 50]


def test_tars_end_where_the_limit_is_reached(manifest, tmp_path, exported_rows, monkeypatch):
    monkeypatch.setattr(writer, "FILE", Limit(rows=2, bytes=10**9))
    monkeypatch.setattr(writer, "_PIECE", Limit(rows=1, bytes=10**9))
    out = export(manifest, WebDataset(), "webdataset", tmp_path / "out")
    assert sorted(path.name for path in out.glob("train-*.tar")) == ["train-000000.tar", "train-000001.tar"]
    train = [row["sample_id"] for row in exported_rows if row["split"] == "train"]
    assert list(_loaded(out, split="train")) == train
    with tarfile.open(out / "train-000000.tar") as file:
        assert len({member.name.split(".")[0] for member in file.getmembers()}) == 2

"""A folder as `datasets.load_dataset` reads it, without a network."""

import socket

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from dataset.documents.hub import yaml_features
from dataset.errors import InputError
from dataset.exports import huggingface as writer
from dataset.exports.huggingface import HuggingFace
from dataset.exports.job import export
from dataset.exports.pieces import Limit
from dataset.pictures import photo, values
from dataset.schema import IMAGES, POSES, hugging_face_features
from dataset.shards import iterate_rows

SPLITS = {"train": 3, "validation": 1, "test": 1}
MASKS = ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth")
PICTURES = {"image", "normals", *MASKS}


@pytest.fixture(scope="module")
def folder(manifest, tmp_path_factory):
    return export(manifest, HuggingFace(manifest), "hf", tmp_path_factory.mktemp("hf") / "out")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a test asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def loaded(folder, tmp_path) -> datasets.DatasetDict:
    return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


def _plain(row: dict) -> dict:
    return {name: value for name, value in row.items() if name not in PICTURES}


def test_splits_have_their_images(loaded, exported_rows):
    assert {name: len(split) for name, split in loaded.items()} == SPLITS
    for name, split in loaded.items():
        assert split["sample_id"] == [row["sample_id"] for row in exported_rows if row["split"] == name]


def test_rows_are_those_of_the_dataset(loaded, exported_rows):
    found = {row["sample_id"]: row for split in loaded.values() for row in split}
    for row in exported_rows:
        assert _plain(found[row["sample_id"]]) == _plain(row)


def test_pictures_decode(loaded, exported_rows):
    found = {row["sample_id"]: row for split in loaded.values() for row in split}
    for row in exported_rows:
        sample = found[row["sample_id"]]
        assert (np.asarray(sample["image"].convert("RGB")) == np.asarray(photo(row["image"]))).all()
        assert all((np.asarray(sample[name]) == values(row[name])).all() for name in MASKS)
        assert (sample["normals"] is None) == (row["normals"] is None)


def test_features_are_those_of_the_schema(loaded):
    assert loaded["train"].features == datasets.Features.from_dict(hugging_face_features(IMAGES))


@pytest.mark.parametrize("schema", [IMAGES, POSES])
def test_features_of_the_card_are_those_of_the_schema(schema):
    features = datasets.Features._from_yaml_list(yaml_features(schema))
    assert features == datasets.Features.from_dict(hugging_face_features(schema))


def test_streaming_gives_the_same(folder, loaded, tmp_path):
    streamed = datasets.load_dataset(str(folder), streaming=True, cache_dir=str(tmp_path / "streaming"))
    for name, split in streamed.items():
        rows = list(split)
        assert [_plain(row) for row in rows] == [_plain(row) for row in loaded[name]]
        assert all(
            row["image"].tobytes() == other["image"].tobytes() for row, other in zip(rows, loaded[name], strict=True)
        )


def test_poses_are_a_configuration(folder, manifest, tmp_path):
    poses = datasets.load_dataset(str(folder), "poses", cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in poses.items()} == SPLITS
    found = {row["pose_id"]: row for split in poses.values() for row in split}
    assert found == {row["pose_id"]: row for row in iterate_rows(manifest.paths("poses"))}


def test_some_images_bring_only_their_poses(manifest, tmp_path):
    out = export(manifest, HuggingFace(manifest), "hf", tmp_path / "out", samples=3)
    shown = {row["pose_id"] for row in iterate_rows(out.glob("data/*.parquet"), ["pose_id"])}
    assert {row["pose_id"] for row in iterate_rows(out.glob("poses/*.parquet"), ["pose_id"])} == shown
    assert len(shown) == 3


def test_an_incomplete_copy_is_noticed(folder, tmp_path):
    """The card says how many rows there must be."""
    for path in folder.rglob("*"):
        if path.is_file() and "train" not in path.name:
            (tmp_path / "copy" / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "copy" / path.relative_to(folder)).write_bytes(path.read_bytes())
    table = pq.read_table(folder / "data/train-00000-of-00001.parquet")
    pq.write_table(table.slice(1), tmp_path / "copy/data/train-00000-of-00001.parquet")
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError):
        datasets.load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))


def test_the_card_names_the_files(folder):
    metadata = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert [config["config_name"] for config in metadata["configs"]] == ["images", "poses"]
    for config in metadata["configs"]:
        for entry in config["data_files"]:
            assert list(folder.glob(entry["path"]))


def test_the_dataset_s_own_card_comes_along(altered, tmp_path):
    (altered.folder / "README.md").write_text("all there is to know")
    out = export(altered, HuggingFace(altered), "hf", tmp_path / "out")
    assert (out / "dataset_card.md").read_text() == "all there is to know"
    assert "(dataset_card.md)" in (out / "README.md").read_text()
    assert len(datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))) == 3


def test_without_one_nothing_points_to_it(folder):
    assert "dataset_card" not in (folder / "README.md").read_text()


def test_a_damaged_table_of_poses_is_refused(altered, tmp_path):
    path = altered.path("poses", min(altered.shards["poses"]))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=r"poses/.*\.parquet: is not the file"):
        export(altered, HuggingFace(altered), "hf", tmp_path / "out")


def test_images_without_poses_are_refused(altered, tmp_path):
    altered.shards["poses"].clear()
    with pytest.raises(InputError, match="has no poses"):
        export(altered, HuggingFace(altered), "hf", tmp_path / "out")


def test_pieces_join_to_full_row_groups(manifest, tmp_path, exported_rows, monkeypatch):
    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 2)
    rows = [row | {"split": "train"} for row in exported_rows]
    format = HuggingFace(manifest)
    format.write_shard("a", iter(rows[:3]), tmp_path)
    format.write_shard("b", iter(rows[3:]), tmp_path)
    format.finish(tmp_path, ["a", "b"])
    metadata = pq.read_metadata(tmp_path / "data/train-00000-of-00001.parquet")
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [2, 2, 1]
    assert list(iterate_rows(tmp_path.glob("data/*"))) == rows


def test_files_end_where_the_limit_is_reached(manifest, tmp_path, exported_rows, monkeypatch):
    monkeypatch.setattr(writer, "FILE", Limit(rows=2, bytes=10**9))
    out = export(manifest, HuggingFace(manifest), "hf", tmp_path / "out")
    paths = sorted(out.glob("data/train-*"))
    assert [path.name for path in paths] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    train = [row["sample_id"] for row in exported_rows if row["split"] == "train"]
    assert [row["sample_id"] for row in iterate_rows(paths)] == train
    assert len(datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))) == 3

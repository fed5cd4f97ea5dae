"""The dataset card: what the hub and `datasets` read of it, and whether what it says is true."""

import shutil

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Features, load_dataset

from dataset.documents.card import card, write_card
from dataset.documents.contents import Contents
from dataset.documents.statements import Statements
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.schema import TABLES, is_picture
from tests.dataset.documents.conftest import in_two_splits, publish
from tests.dataset.synthetic import make_sample, write_dataset


@pytest.fixture(scope="session")
def text(published) -> str:
    return (published / "README.md").read_text()


@pytest.fixture(scope="session")
def metadata(text) -> dict:
    return yaml.safe_load(text.split("---\n", 2)[1])


@pytest.fixture
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_metadata_has_a_configuration_for_each_table(metadata, published):
    assert [config["config_name"] for config in metadata["configs"]] == ["images", "poses", "plan", "rejected"]
    assert [config.get("default", False) for config in metadata["configs"]] == [True, False, False, False]
    assert metadata["size_categories"] == ["n<1K"]
    images, poses, _, rejected = metadata["configs"]
    assert images["data_files"] == [
        {"split": "test", "path": ["images/00001.parquet"]},
        {"split": "train", "path": ["images/00000.parquet"]},
    ]
    assert [entry["split"] for entry in poses["data_files"]] == ["test", "train"]
    assert rejected["data_files"] == [
        {"split": "rejected", "path": ["rejected/00000.parquet", "rejected/00001.parquet"]}
    ]


def test_metadata_describes_features_and_sizes(metadata, published):
    for info in metadata["dataset_info"]:
        table = info["config_name"]
        assert Features._from_yaml_list(info["features"]) == Features.from_arrow_schema(TABLES[table])
        shards = Manifest.read(published).shards[table].values()
        assert info["download_size"] == sum(shard.bytes for shard in shards)
        assert sum(split["num_bytes"] for split in info["splits"]) == info["download_size"]
        assert sum(split["num_examples"] for split in info["splits"]) == 5


def test_datasets_loads_the_directory(published, image_rows, offline):
    loaded = load_dataset(str(published), cache_dir=str(offline))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 3, "test": 2}
    row = loaded["train"][1]
    assert row["image"].size == (256, 192)
    np.testing.assert_allclose(row["right"]["joints_2d"], image_rows[1]["right"]["joints_2d"])
    poses = load_dataset(str(published), "poses", split="test", cache_dir=str(offline))
    assert poses["base_pose"] == ["held out 0", "held out 1"]
    streamed = list(load_dataset(str(published), split="test", streaming=True))
    assert [row["sample_id"] for row in streamed] == [row["sample_id"] for row in image_rows[3:]]


def test_files_named_by_split_are_one_pattern(published, tmp_path):
    folder = tmp_path / "named"
    shutil.copytree(published, folder)
    manifest = Manifest.read(folder)
    for old, new in (("00000", "train-00000"), ("00001", "test-00000")):
        shard = manifest.shards["images"].pop(old)
        (folder / "images" / f"{old}.parquet").rename(folder / "images" / f"{new}.parquet")
        manifest.shards["images"][new] = type(shard)(new, shard.rows, shard.bytes, shard.sha256)
    manifest.replace()
    shown = yaml.safe_load(write_card(folder).read_text().split("---\n", 2)[1])["configs"][0]["data_files"]
    assert shown == [
        {"split": "test", "path": "images/test-*.parquet"},
        {"split": "train", "path": "images/train-*.parquet"},
    ]


def test_a_file_of_mixed_splits_is_no_split(hands, samples, tmp_path):
    """Its rows must not pass for training data."""
    mixed = [*samples[:1], make_sample(9, hands)]
    mixed[1]["images"]["split"] = "test"
    text = write_card(write_dataset(tmp_path / "d", mixed).folder).read_text()
    images = yaml.safe_load(text.split("---\n")[1])["configs"][0]
    assert images["data_files"] == [{"split": "images", "path": ["images/00000.parquet"]}]


def test_splits_are_counted_and_their_separation_is_stated(text):
    assert "| split | images | poses | base poses | shapes | skins | environments |" in text
    assert "| train | 3 | 3 | 3 | 3 | 3 | 3 |" in text
    assert "| test | 2 | 2 | 2 | 2 | 1 | 1 |" in text
    assert "no base pose, skin or environment is in two splits" in text


def test_splits_that_share_assets_are_called_so(samples, tmp_path):
    shared = in_two_splits(samples)
    shared[4]["images"]["render"]["hdri"] = shared[0]["images"]["render"]["hdri"]
    text = (publish(tmp_path / "d", shared) / "README.md").read_text()
    assert "do not test on what was trained on" in text
    assert "- environment 'studio' is in test and train" in text
    assert "Counted: no base pose" not in text


def test_the_card_tells_what_made_the_rows(text, manifest):
    assert manifest.config_sha256 in text
    assert '"views": 1' in text
    assert '"inputs"' not in text
    assert "The dataset came to be by `run`." in text


def test_a_dataset_of_several_runs_lists_them_all(published):
    contents = Contents.of(published)
    manifest = contents.manifest
    (run,) = manifest.runs.values()
    manifest.runs = {"a" * 64: run, "b" * 64: run}
    manifest.origin = {"operation": "merge", "of": ["one", "two"]}
    text = card(contents)
    assert "a" * 64 in text
    assert "b" * 64 in text
    assert 'came to be by `merge`: `{"of": ["one", "two"]}`' in text
    assert "<details>" not in text


def test_sentences_follow_what_is_in_the_dataset(published):
    contents = Contents.of(published)
    said = Statements.of(contents)
    assert "5 synthetic images of two interacting hands, of 5 poses" in said.summary
    assert "MakeHuman" in said.biases[0]
    assert "5 base poses (hand-made gestures)" in said.biases[2]
    assert len(said.personal_information) == 1
    # of the environments of the test dataset, only `city`, `forest`, `studio` and `sunset` exist
    assert "4 under CC0-1.0" in said.licences[2]
    assert "MANO" not in " ".join(said.licences)


def test_other_hands_poses_and_maps_change_the_sentences(published):
    contents = Contents.of(published)
    (run,) = contents.manifest.runs.values()
    run.config["inputs"]["hands"] = {"right": "0", "left": "1"}
    contents.splits["test"]["base_poses"] = ["interhand26m/x"]
    contents.splits["test"]["environments"] = ["my garden"]
    said = Statements.of(contents)
    assert "MANO" in said.licences[0]
    assert "interhand26m" in said.licences[1]
    assert "1 under a licence that their owner knows" in said.licences[2]
    assert "interhand26m" in said.personal_information[1]
    assert "MakeHuman" not in said.biases[0]


def test_every_placeholder_is_filled(text):
    body = text.split("---\n", 2)[2]
    assert "$" not in body
    headings = [line.removeprefix("## ") for line in body.splitlines() if line.startswith("## ")]
    expected = "Instances, Fields, Splits, How it was made, What it is for, Biases and limitations"
    expected += ", Personal and sensitive information, Licence, Check it, Cite"
    assert headings == expected.split(", ")


def test_the_same_dataset_gives_the_same_card(published, text):
    assert card(Contents.of(published)) == text


def test_a_dataset_without_images_has_a_card(tmp_path):
    text = write_card(write_dataset(tmp_path / "d", []).folder).read_text()
    assert "0 synthetic images" in text
    assert [config["config_name"] for config in yaml.safe_load(text.split("---\n")[1])["configs"]] == ["rejected"]


def test_what_is_no_dataset_or_is_damaged_is_one_sentence(tmp_path, samples):
    with pytest.raises(InputError, match="is not a dataset"):
        write_card(tmp_path)
    folder = write_dataset(tmp_path / "d", samples).folder
    (folder / "images" / "00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"images/00000\.parquet: this shard is damaged"):
        write_card(folder)


def test_no_picture_is_read(published, monkeypatch):
    """At a million images the card must cost minutes at most."""
    wanted = []

    def watched(name):
        read = getattr(pq.ParquetFile, name)

        def reading(*arguments, columns=None, **options):
            wanted.append(columns)
            return read(*arguments, columns=columns, **options)

        return reading

    for name in ("read", "read_row_group"):
        monkeypatch.setattr(pq.ParquetFile, name, watched(name))
    card(Contents.of(published))
    pictures = {field.name for field in TABLES["images"] if is_picture(field)}
    assert ["split"] in wanted
    assert all(columns and not pictures & set(columns) for columns in wanted)

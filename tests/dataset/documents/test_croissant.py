"""croissant.json: read and judged by mlcroissant, which we did not write."""

import hashlib
import json
import logging

import mlcroissant
import numpy as np
import pytest
from PIL import Image

from dataset.documents.croissant import write_croissant
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.pictures import photo, values
from tests.dataset.documents.conftest import in_two_splits
from tests.dataset.synthetic import write_dataset


@pytest.fixture(scope="session")
def metadata(published) -> dict:
    return json.loads((published / "croissant.json").read_text())


@pytest.fixture(scope="module")
def loaded(published) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(published / "croissant.json")


@pytest.fixture(scope="module")
def records(loaded) -> list[dict]:
    return list(loaded.records("images"))


def test_it_is_valid(loaded, caplog):
    issues = loaded.metadata.ctx.issues
    assert not issues.errors
    # Who publishes the dataset knows when.
    assert {issue.split("Property ")[1].split('"')[1] for issue in issues.warnings} == {
        "https://schema.org/datePublished"
    }


def test_its_context_is_the_standard_one(published, caplog):
    with caplog.at_level(logging.WARNING):
        mlcroissant.Dataset(published / "croissant.json")
    assert "not standard" not in caplog.text


def test_a_broken_reference_would_be_found(metadata, tmp_path):
    broken = json.loads(json.dumps(metadata))
    broken["recordSet"][1]["field"][0]["source"]["fileSet"]["@id"] = "elsewhere"
    (tmp_path / "croissant.json").write_text(json.dumps(broken))
    with pytest.raises(mlcroissant.ValidationError, match="elsewhere"):
        mlcroissant.Dataset(tmp_path / "croissant.json")


def test_its_records_are_the_rows(records, samples):
    rows = [sample["images"] for sample in in_two_splits(samples)]
    assert len(records) == len(rows)
    for record, row in zip(records, rows, strict=True):
        assert record["images/sample_id"].decode() == row["sample_id"]
        assert record["images/split"].decode() == row["split"]
        assert record["images/width"] == row["width"]
        np.testing.assert_array_equal(record["images/camera"]["images/camera/K"], row["camera"]["K"])
        hand = record["images/left"]
        np.testing.assert_array_equal(hand["images/left/joints_3d"], np.float32(row["left"]["joints_3d"]))
        np.testing.assert_array_equal(hand["images/left/joint_state"], row["left"]["joint_state"])
        assert hand["images/left/contact"] == list(row["left"]["contact"])
        assert record["images/render"]["images/render/hdri"].decode() == row["render"]["hdri"]


def test_its_pictures_are_the_pictures(records, image_rows):
    for record, row in zip(records, image_rows, strict=True):
        assert isinstance(record["images/image"], Image.Image)
        np.testing.assert_array_equal(record["images/image"], photo(row["image"]))
        np.testing.assert_array_equal(np.asarray(record["images/depth"]).astype(int), values(row["depth"]))
        assert record["images/normals"] is None


def test_every_table_and_the_splits_are_readable(loaded):
    assert [record["splits/name"] for record in loaded.records("splits")] == ["train", "test"]
    poses = list(loaded.records("poses"))
    assert [record["poses/base_pose"].decode() for record in poses][3:] == ["held out 0", "held out 1"]
    assert len(poses[0]["poses/right"]["poses/right/hand_pose"]) == 45
    assert len(list(loaded.records("plan"))) == 5
    assert {record["rejected/reason"].decode() for record in loaded.records("rejected")} == {
        "penetration",
        "joint_limit",
    }


def test_the_manifest_is_a_file_with_its_checksum(metadata, published):
    manifest, *sets = metadata["distribution"]
    content = (published / "manifest.json").read_bytes()
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["contentSize"] == f"{len(content)} B"
    assert [entry["includes"] for entry in sets] == [f"{t}/*.parquet" for t in ("images", "poses", "plan", "rejected")]
    for entry in sets:
        found = {path.relative_to(published) for path in published.glob(entry["includes"])}
        assert found == {
            path.relative_to(published) for path in Manifest.read(published).paths(entry["@id"].split("-")[0])
        }


def test_responsible_use_is_documented(metadata):
    for name in ("dataCollection", "dataBiases", "dataLimitations", "dataUseCases", "personalSensitiveInformation"):
        assert metadata[f"rai:{name}"]
    assert metadata["isLiveDataset"] is False
    assert "http://mlcommons.org/croissant/RAI/1.0" in metadata["conformsTo"]


def test_it_does_not_grow_with_the_shards(samples, tmp_path, published):
    one = write_dataset(tmp_path / "one", samples, rows_per_shard=5).folder
    many = write_dataset(tmp_path / "many", samples, rows_per_shard=1).folder
    lengths = [len(json.loads(write_croissant(folder).read_text())["distribution"]) for folder in (one, many)]
    assert lengths == [5, 5]


def test_the_same_dataset_gives_the_same_file(published):
    before = (published / "croissant.json").read_bytes()
    write_croissant(published)
    assert (published / "croissant.json").read_bytes() == before


def test_a_dataset_without_images_has_valid_metadata(tmp_path):
    path = write_croissant(write_dataset(tmp_path / "d", []).folder)
    assert not mlcroissant.Dataset(path).metadata.ctx.issues.errors


def test_what_is_no_dataset_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="is not a dataset"):
        write_croissant(tmp_path)

"""COCO files as pycocotools reads them."""

import io

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dataset.exports.coco import Coco
from dataset.exports.job import export
from dataset.pictures import values
from dataset.rows import joints_2d
from hands.joints import BONES_21, JOINTS_21, Side

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def folder(manifest, tmp_path_factory):
    return export(manifest, Coco(), "coco", tmp_path_factory.mktemp("coco") / "out")


@pytest.fixture(scope="module")
def cocos(folder) -> dict[str, COCO]:
    return {split: COCO(str(folder / "annotations" / f"hands_{split}.json")) for split in SPLITS}


@pytest.fixture(scope="module")
def found(cocos) -> dict[str, tuple[COCO, dict]]:
    """Sample id to its file and its entry."""
    return {image["sample_id"]: (coco, image) for coco in cocos.values() for image in coco.dataset["images"]}


def _hands(coco: COCO, image: dict) -> dict[int, dict]:
    return {ann["category_id"]: ann for ann in coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))}


def _results(coco: COCO, kind: str) -> list[dict]:
    key = {"segm": "segmentation"}.get(kind, kind)
    annotations = coco.dataset["annotations"]
    return [{k: a[k] for k in ("image_id", "category_id", key)} | {"score": 0.9} for a in annotations]


def _statistics(coco: COCO, results: list[dict], kind: str) -> np.ndarray:
    evaluation = COCOeval(coco, coco.loadRes(results), kind)
    if kind == "keypoints":
        evaluation.params.kpt_oks_sigmas = np.full(len(JOINTS_21), 0.05)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_ground_truth_against_itself_has_precision_one(cocos, kind):
    for coco in cocos.values():
        assert _statistics(coco, _results(coco, kind), kind)[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_hands_swapped_have_less(cocos, kind):
    results = [r | {"category_id": 3 - r["category_id"]} for r in _results(cocos["train"], kind)]
    assert _statistics(cocos["train"], results, kind)[0] < 0.9


def test_every_image_is_in_the_file_of_its_split(cocos, exported_rows):
    for split, coco in cocos.items():
        named = [image["sample_id"] for image in coco.dataset["images"]]
        assert named == [row["sample_id"] for row in exported_rows if row["split"] == split]


def test_numbers_are_unique_and_agree(cocos):
    for coco in cocos.values():
        ids = [a["id"] for a in coco.dataset["annotations"]]
        assert ids == list(range(1, len(ids) + 1))
        images = [i["id"] for i in coco.dataset["images"]]
        assert images == list(range(1, len(images) + 1))
        assert {a["image_id"] for a in coco.dataset["annotations"]} == set(images)


def test_picture_files_hold_the_dataset_s_bytes(folder, found, exported_rows):
    for row in exported_rows:
        _, image = found[row["sample_id"]]
        assert (folder / "images" / image["file_name"]).read_bytes() == row["image"]["bytes"]
        assert (image["width"], image["height"]) == (row["width"], row["height"])
        assert image["K"] == list(row["camera"]["K"])


def test_suffix_tells_the_kind_of_picture(found, exported_rows):
    kinds = {".jpg": "JPEG", ".png": "PNG"}
    suffixes = {row["sample_id"]: found[row["sample_id"]][1]["file_name"][-4:] for row in exported_rows}
    for row in exported_rows:
        assert Image.open(io.BytesIO(row["image"]["bytes"])).format == kinds[suffixes[row["sample_id"]]]
    assert set(suffixes.values()) == set(kinds)


def test_masks_are_those_of_the_dataset(found, exported_rows):
    for row in exported_rows:
        coco, image = found[row["sample_id"]]
        for category, hand in _hands(coco, image).items():
            side = ("right", "left")[category - 1]
            shown = values(row["mask_hands"]) == category
            assert (coco.annToMask(hand) == shown).all()
            assert hand["area"] == shown.sum()
            whole = values(row[f"mask_{side}_amodal"]) > 0
            assert (coco_mask.decode(hand["segmentation_amodal"]) == whole).all()
            assert hand["area_amodal"] == whole.sum()


def test_box_is_that_of_the_visible_pixels(found, exported_rows):
    for row in exported_rows:
        coco, image = found[row["sample_id"]]
        for category, hand in _hands(coco, image).items():
            y, x = np.nonzero(values(row["mask_hands"]) == category)
            left, top, width, height = hand["bbox"]
            assert (left, top, left + width, top + height) == (x.min(), y.min(), x.max() + 1, y.max() + 1)
            assert np.allclose(hand["bbox_amodal"], row[("right", "left")[category - 1]]["bbox"], atol=1e-3)


def test_keypoints_are_the_joints_inside_the_image(found, exported_rows):
    for row in exported_rows:
        coco, image = found[row["sample_id"]]
        for category, hand in _hands(coco, image).items():
            cell = row[("right", "left")[category - 1]]
            keypoints, states = np.array(hand["keypoints"]).reshape(21, 3), np.array(cell["joint_state"])
            inside = states != 3
            assert np.allclose(keypoints[inside, :2], joints_2d(cell)[inside], atol=1e-3)
            assert (keypoints[~inside] == 0).all()
            assert (keypoints[:, 2] == np.choose(states, [2, 1, 1, 0])).all()
            assert hand["num_keypoints"] == inside.sum()
            assert hand["joint_state"] == states.tolist()
            assert np.allclose(hand["joints_3d"], cell["joints_3d"], atol=1e-6)


def test_a_hand_without_visible_pixels_has_no_annotation(found, split_samples):
    coco, image = found[split_samples[1]["images"]["sample_id"]]
    assert image["hidden_hands"] == ["left"]
    assert list(_hands(coco, image)) == [1]
    assert sum(bool(image["hidden_hands"]) for _, image in found.values()) == 1


def test_categories_name_joints_and_bones(cocos):
    categories = cocos["train"].loadCats([1, 2])
    assert [c["name"] for c in categories] == [f"{side}_hand" for side in Side]
    for category in categories:
        assert category["keypoints"] == list(JOINTS_21)
        assert [(a - 1, b - 1) for a, b in category["skeleton"]] == list(BONES_21)

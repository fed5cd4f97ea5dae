"""COCO: keypoints and masks of hands, one annotation file a split.

    images/{shard}/{sample}.jpg     pictures, their bytes as they are in the dataset
    annotations/hands_{split}.json  categories 1 right_hand and 2 left_hand, the values of `mask_hands`

An annotation says what can be seen of a hand, as COCO's do: `segmentation`, `area` and `bbox` are of its visible pixels.
A hand without any has no annotation, the image's `hidden_hands` names it. The whole hand, as if it were alone, is in keys
of our own that end in `_amodal`. Format: https://cocodataset.org/#format-data.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask

from dataset.exports.cells import file_stem, mask, picture_suffix
from dataset.exports.job import PARTS
from dataset.exports.json_parts import read_lines, write_lines, write_object
from dataset.rows import joints_2d, joints_3d
from dataset.schema import VERSION
from dataset.shards import Row
from hands.joints import BONES_21, JOINTS_21, JointState, Side

CATEGORY = {Side.RIGHT: 1, Side.LEFT: 2}
"""Hand to category, which is its value in `mask_hands`."""
VISIBILITY = {
    JointState.VISIBLE: 2,
    JointState.HIDDEN_BY_SAME_HAND: 1,
    JointState.HIDDEN_BY_OTHER_HAND: 1,
    JointState.OUTSIDE_IMAGE: 0,
}
"""State of a joint to COCO's v: 2 labelled and visible, 1 labelled and hidden, 0 not labelled."""
_PIXEL_DECIMALS = 3
_METRE_DECIMALS = 6

Json = dict[str, Any]


@dataclass(frozen=True)
class Coco:
    """Writes COCO annotation files."""

    columns: ClassVar[tuple[str, ...]] = (
        *("sample_id", "split", "pose_id", "image", "width", "height", "camera.K"),
        *(
            f"{side}.{name}"
            for side in Side
            for name in ("joints_2d", "joints_3d", "joint_state", "bbox", "visible_fraction")
        ),
        *("mask_hands", "mask_right_amodal", "mask_left_amodal"),
    )

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        """The shard's pictures, and its annotations as lines without numbers."""
        entries = defaultdict(list)
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
        for row in rows:
            picture = row["image"]["bytes"]
            file_name = f"{name}/{file_stem(row['sample_id'])}{picture_suffix(picture)}"
            (folder / "images" / file_name).write_bytes(picture)
            entries[row["split"]].append(_entry(row, file_name))
        for split, found in entries.items():
            write_lines(folder / PARTS / split / f"{name}.jsonl", found)

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """One file a split; images and annotations are numbered from 1 in the order of the shards."""
        for split in sorted((folder / PARTS).iterdir()):
            paths = [path for path in (split / f"{shard}.jsonl" for shard in shards) if path.exists()]
            content = {
                "info": {"description": f"two interacting hands, {split.name}", "version": VERSION},
                "licenses": [],
                "categories": [_category(side) for side in Side],
                "images": _images(paths),
                "annotations": _annotations(paths),
            }
            write_object(folder / "annotations" / f"hands_{split.name}.json", content)


def _category(side: Side) -> Json:
    skeleton = [[a + 1, b + 1] for a, b in BONES_21]  # COCO counts keypoints from 1
    name = {"id": CATEGORY[side], "name": f"{side}_hand", "supercategory": "hand"}
    return name | {"keypoints": list(JOINTS_21), "skeleton": skeleton}


def _images(paths: Sequence[Path]) -> Iterator[Json]:
    for number, entry in enumerate(read_lines(paths), 1):
        yield {"id": number} | entry["image"]


def _annotations(paths: Sequence[Path]) -> Iterator[Json]:
    count = 0
    for number, entry in enumerate(read_lines(paths), 1):
        for annotation in entry["annotations"]:
            count += 1
            yield {"id": count, "image_id": number} | annotation


def _entry(row: Row, file_name: str) -> Json:
    """An image and its hands, still without numbers."""
    hands = mask(row, "mask_hands")
    shown = {side: hands == CATEGORY[side] for side in Side}
    image = {"file_name": file_name} | {key: row[key] for key in ("width", "height", "sample_id", "pose_id")}
    image |= {"K": row["camera"]["K"], "hidden_hands": [str(side) for side in Side if not shown[side].any()]}
    annotations = [_annotation(row, side, shown[side]) for side in Side if shown[side].any()]
    return {"image": image, "annotations": annotations}


def _annotation(row: Row, side: Side, shown: Bool[np.ndarray, "h w"]) -> Json:
    hand, visible, whole = row[side], _rle(shown), _rle(mask(row, f"mask_{side}_amodal") > 0)
    keypoints = _keypoints(hand)
    return {
        "category_id": CATEGORY[side],
        "iscrowd": 0,
        "bbox": coco_mask.toBbox(visible).tolist(),
        "area": int(coco_mask.area(visible)),
        "segmentation": _text(visible),
        "keypoints": keypoints,
        "num_keypoints": sum(v > 0 for v in keypoints[2::3]),
        "bbox_amodal": _rounded(hand["bbox"], _PIXEL_DECIMALS),
        "area_amodal": int(coco_mask.area(whole)),
        "segmentation_amodal": _text(whole),
        "visible_fraction": _rounded([hand["visible_fraction"]], _METRE_DECIMALS)[0],
        "joint_state": list(hand["joint_state"]),
        "joints_3d": _rounded(joints_3d(hand).ravel(), _METRE_DECIMALS),
    }


def _keypoints(hand: Row) -> list[float]:
    """x, y, v of each joint, zeros where it lies outside the image."""
    flags = np.array([VISIBILITY[JointState(state)] for state in hand["joint_state"]])
    pixels = np.where((flags > 0)[:, None], np.round(joints_2d(hand), _PIXEL_DECIMALS), 0.0)
    return [value for (x, y), v in zip(pixels.tolist(), flags.tolist(), strict=True) for value in (x, y, v)]


def _rounded(numbers: Sequence[float] | np.ndarray, decimals: int) -> list[float]:
    return np.round(np.asarray(numbers, dtype=np.float64), decimals).tolist()


def _rle(shown: Bool[np.ndarray, "h w"]) -> Json:
    return coco_mask.encode(np.asfortranarray(shown, dtype=np.uint8))


def _text(rle: Json) -> Json:
    """The compressed run lengths as JSON can hold them."""
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}

"""InterHand2.6M's layout, for its own loader and for all that was written for it.

    images/{train,val,test}/Capture{c}/{sequence}/cam{camera}/image{frame}.jpg
    annotations/skeleton.txt, annotations/subject.txt
    annotations/{train,val,test}/InterHand2.6M_{split}_{data,camera,joint_3d,MANO_NeuralAnnot}.json

Millimetres, and metres for MANO's translation; `x_cam = R (x_world − campos)`; in each hand the fingers from their tips,
the wrist last; the right hand before the left one. All views of a pose share its joints and parameters, world frame.
Format: https://mks0601.github.io/InterHand2.6M and the loader `data/InterHand2.6M/dataset.py` of its repository.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dataset.atomic import atomic_write
from dataset.exports.captures import Place, Places
from dataset.exports.cells import picture_suffix
from dataset.exports.interhand_files import write_part, write_split, write_subjects
from dataset.exports.job import PARTS
from dataset.exports.world_poses import in_double, surfaces, without_mean
from dataset.manifest import Manifest
from dataset.pictures import jpeg_cell, photo
from dataset.readers.interhand_joints import HAND_ORDER
from dataset.rows import camera_of
from dataset.shards import Row
from hands.joints import BONES_21, JOINTS_21, JointState, Side
from hands.model import HandModel

SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""Our name of a split to the published one."""
FROM_JOINTS_21 = [JOINTS_21.index(name) for name in HAND_ORDER]
"""Joint i of a hand there is `JOINTS_21[FROM_JOINTS_21[i]]`."""
_MILLIMETRE_DECIMALS = 6
_PARAMETER_DECIMALS = 9
_NUMBERS = Path(PARTS, "numbers", "images.parquet")

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class InterHand26M:
    """Writes InterHand2.6M's layout."""

    manifest: Manifest
    hands: Mapping[Side, HandModel]
    columns: ClassVar[tuple[str, ...]] = (
        *("sample_id", "split", "pose_id", "image", "width", "height", "camera", "provenance.base_pose"),
        *(f"{side}.{name}" for side in Side for name in ("joint_state", "bbox")),
    )

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        """The shard's pictures as JPEG, and its images' entries of the annotation files."""
        places, parts = Places(self.manifest, name, folder / _NUMBERS), defaultdict(list)
        for row in rows:
            split, part, file_name = SPLITS[row["split"]], *_part(row, places.of(row))
            path = folder / "images" / split / file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_jpeg(row))
            parts[split].append(part)
        for split, found in parts.items():
            write_part(folder / PARTS / split / f"{name}.parquet", found)

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Four annotation files a split, and the two texts that all splits share."""
        target, double = folder / "annotations", in_double(self.hands)
        made = {
            "joint_3d": lambda poses: _joints(poses, double),
            "MANO_NeuralAnnot": lambda poses: [_parameters(pose, self.hands) for pose in poses],
        }
        atomic_write(target / "skeleton.txt", _skeleton())
        written = {split: _written(folder / PARTS / split, shards) for split in SPLITS.values()}
        write_subjects(target / "subject.txt", [part for parts in written.values() for part in parts])
        for split, parts in written.items():
            if parts:
                write_split(target / split, split, parts, self.manifest.paths("poses"), made)


def _written(folder: Path, shards: Sequence[str]) -> list[Path]:
    return [path for path in (folder / f"{shard}.parquet" for shard in shards) if path.exists()]


def _part(row: Row, place: Place) -> tuple[Json, str]:
    """What a shard leaves of an image, and the name of its file in the folder of its split."""
    sequence = re.sub(r"[^A-Za-z0-9_-]", "_", row["provenance"]["base_pose"])
    file_name = f"Capture{place.capture}/{sequence}/cam{place.camera}/image{place.frame}.jpg"
    entries = {"image": _image(row, place, sequence, file_name), "annotation": _annotation(row), "view": _view(row)}
    texts = {name: json.dumps(entry, allow_nan=False) for name, entry in entries.items()}
    return place._asdict() | {"pose_id": row["pose_id"], "sequence": sequence} | texts, file_name


def _image(row: Row, place: Place, sequence: str, file_name: str) -> Json:
    return {
        "file_name": file_name,
        "width": row["width"],
        "height": row["height"],
        "capture": place.capture,
        "subject": place.subject,
        "seq_name": sequence,
        "camera": str(place.camera),
        "frame_idx": place.frame,
        "sample_id": row["sample_id"],
    }


def _annotation(row: Row) -> Json:
    """A joint is valid here when it lies inside the image, whether it is hidden or not."""
    states = np.stack([np.asarray(row[side]["joint_state"])[FROM_JOINTS_21] for side in Side])
    return {
        "bbox": _both(row),
        "joint_valid": (states != JointState.OUTSIDE_IMAGE).astype(int).ravel().tolist(),
        "hand_type": "interacting",
        "hand_type_valid": 1,
    }


def _both(row: Row) -> list[float]:
    """The box (x, y, width, height) around both hands' boxes, without a hand that is outside the image."""
    boxes = np.array([row[side]["bbox"] for side in Side], dtype=np.float64)
    boxes = boxes[boxes[:, 2:].min(1) > 0] if boxes[:, 2:].min(1).any() else boxes
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return np.round([*low, *(high - low)], 2).tolist()


def _view(row: Row) -> Json:
    camera = camera_of(row)
    return {
        "campos": (1000 * camera.position).tolist(),
        "camrot": camera.R.tolist(),
        "focal": [camera.K[0, 0], camera.K[1, 1]],
        "princpt": [camera.K[0, 2], camera.K[1, 2]],
    }


def _joints(poses: Sequence[Row], hands: Mapping[Side, HandModel]) -> list[Json]:
    """Entries of `joint_3d`: every joint is known, whatever a camera sees of it."""
    both = surfaces(poses, hands)
    joints = np.concatenate([both[side].joints[:, FROM_JOINTS_21] for side in Side], axis=1)
    about = {"joint_valid": [[1]] * joints.shape[1], "hand_type": "interacting", "hand_type_valid": 1}
    places = np.round(1000 * joints, _MILLIMETRE_DECIMALS).tolist()
    return [{"world_coord": p, "seq": pose["sequence"]} | about for p, pose in zip(places, poses, strict=True)]


def _parameters(pose: Row, hands: Mapping[Side, HandModel]) -> Json:
    """An entry of `MANO_NeuralAnnot`: angles without the mean finger pose."""
    cells = {side: pose[side] for side in Side}
    return {
        str(side): {
            "pose": _rounded(without_mean(hand, hands[side])),
            "shape": _rounded(hand["betas"]),
            "trans": _rounded(hand["transl"]),
        }
        for side, hand in cells.items()
    }


def _rounded(numbers: Sequence[float] | np.ndarray) -> list[float]:
    return np.round(np.asarray(numbers, dtype=np.float64), _PARAMETER_DECIMALS).tolist()


def _skeleton() -> str:
    """Name, number and parent's number of each of the 42 joints."""
    parents = {child: parent for parent, child in BONES_21}
    lines = ["# joint name, joint number, parent's number"]
    for side, first in zip(Side, (0, len(HAND_ORDER)), strict=True):
        for number, joint in enumerate(FROM_JOINTS_21):
            parent = first + FROM_JOINTS_21.index(parents[joint]) if joint in parents else -1
            lines.append(f"{side[0]}_{_published(JOINTS_21[joint])} {first + number} {parent}")
    return "\n".join(lines) + "\n"


def _published(joint: str) -> str:
    """`thumb1` for our `thumb_1`, `thumb4` for the fingertip."""
    return joint.replace("_tip", "4").replace("_", "")


def _jpeg(row: Row) -> bytes:
    """A JPEG as it is; another picture at quality 95."""
    picture = row["image"]["bytes"]
    if picture_suffix(picture) == ".jpg":
        return picture
    return jpeg_cell(np.asarray(photo(row["image"])), row["sample_id"])["bytes"]

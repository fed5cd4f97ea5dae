"""RenderIH's own files, as its authors' training code reads them.

    {train,val,test}/color_img/{number}.jpg       256 × 256, cut around both hands
    {train,val,test}/color_annot/{number}.pkl     MANO parameters in the world, the camera of the cut
    {train,val,test}/ori_handdict/{number}.npy    vertices and joints of both hands, seen by that camera

The training code neither cuts nor resizes: the network takes 256 × 256, so pictures must come in this size. By default it
reads `ori_handdict`, which the authors' last step makes from `color_annot`. Metres; OpenCV cameras, `x_cam = R · x_world + t`.
Format: https://github.com/adwardlee/RenderIH (`rendering_code`, `dataset`, `core/loader.py`).
"""

import io
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from dataset.exports.crops import Square
from dataset.exports.interhand26m import SPLITS
from dataset.exports.numbers import keep_numbers, numbers_before
from dataset.exports.world_poses import PosesOfShard, in_double, surfaces, without_mean
from dataset.manifest import Manifest
from dataset.pictures import jpeg_cell, photo
from dataset.rows import camera_of, joints_2d
from dataset.shards import Row
from hands.camera import Camera
from hands.joints import Side
from hands.model import HandModel
from hands.rotations import axis_angle_to_matrix

SIZE = 256
"""Width and height of a picture, pixels."""
SHARE = 0.8
"""Of the square's side that the hands' joints take (HAND_BBOX_RATIO of the release)."""
FIRST = 366_358
"""Number of a split's first image: in the release InterHand2.6M's training images come before."""
_PROTOCOL = 4
"""Of pickles; the release runs on Python 3.8, which reads it."""
_BLOCK = 64
"""Images whose hands are posed together."""

Arrays = dict[str, Float[np.ndarray, "..."]]


class WorldHand(NamedTuple):
    """One hand of a pose in the world frame, metres."""

    parameters: Arrays
    """`pose`: 45 coefficients of the model's pose directions; `oripose`: axis-angle; both without the mean finger pose.

    `shape`, `trans`, and `R`, the wrist's rotation.
    """
    vertices: Float[np.ndarray, "v 3"]
    joints: Float[np.ndarray, "21 3"]


@dataclass(frozen=True, eq=False)
class RenderIH:
    """Writes RenderIH's files."""

    manifest: Manifest
    hands: Mapping[Side, HandModel]
    columns: ClassVar[tuple[str, ...]] = (
        *("sample_id", "split", "pose_id", "image", "width", "height", "camera", "render", "provenance"),
        *(f"{side}.{name}" for side in Side for name in ("joints_2d", "joint_state")),
    )

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        """The shard's images; numbers go on where the shards before it ended."""
        poses, numbers = PosesOfShard(self.manifest, name), numbers_before(folder, name)
        while block := list(islice(rows, _BLOCK)):
            for row, hands in zip(block, self._hands([poses.of(row) for row in block]), strict=True):
                split = SPLITS[row["split"]]
                number = numbers.setdefault(split, FIRST)
                for file, content in _files(row, hands, number).items():
                    path = folder / split / file
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                numbers[split] += 1
        keep_numbers(folder, name, numbers)

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Nothing is left to be joined."""

    def _hands(self, poses: Sequence[Row]) -> Iterator[dict[Side, WorldHand]]:
        """Both hands of each pose."""
        both = surfaces(poses, self._double)
        for number, pose in enumerate(poses):
            yield {
                side: WorldHand(
                    _parameters(pose[side], model, self._directions[side]),
                    both[side].vertices[number],
                    both[side].joints[number],
                )
                for side, model in self.hands.items()
            }

    @cached_property
    def _double(self) -> dict[Side, HandModel]:
        return in_double(self.hands)

    @cached_property
    def _directions(self) -> dict[Side, Float[np.ndarray, "45 45"]]:
        """What turns finger angles without the mean into coefficients of the model's pose directions."""
        return {side: np.linalg.inv(model.arrays.hands_components) for side, model in self.hands.items()}


def _files(row: Row, hands: Mapping[Side, WorldHand], number: int) -> dict[str, bytes]:
    square = Square.around(np.concatenate([joints_2d(row[side]) for side in Side]), SHARE)
    camera = camera_of(row)
    cut = Camera(square.seen_by(camera.K, SIZE), camera.R, camera.t, SIZE, SIZE)
    picture = square.cut(photo(row["image"]), SIZE)
    annotation = _annotation(row, hands, cut, number)
    return {
        f"color_img/{number}.jpg": jpeg_cell(np.asarray(picture), row["sample_id"])["bytes"],
        f"color_annot/{number}.pkl": pickle.dumps(annotation, _PROTOCOL),
        f"ori_handdict/{number}.npy": _npy({str(side): _seen(hands[side], cut) for side in Side}),
    }


def _annotation(row: Row, hands: Mapping[Side, WorldHand], camera: Camera, number: int) -> dict[str, Any]:
    """`image` and `annotation` carried InterHand2.6M's entries, which nothing reads: here they say where it came from."""
    return {
        "inter_idx": number,
        "image": {
            key: row[key] for key in ("sample_id", "split", "pose_id", "width", "height", "render", "provenance")
        },
        "annotation": {
            "hand_type": "interacting",
            "hand_type_valid": 1,
            "joint_state": {str(side): list(row[side]["joint_state"]) for side in Side},
        },
        "mano_params": {str(side): hands[side].parameters for side in Side},
        "camera": {"R": _single(camera.R), "t": _single(camera.t)[None], "camera": _single(camera.K)},
    }


def _parameters(hand: Row, model: HandModel, directions: Float[np.ndarray, "45 45"]) -> Arrays:
    angles = without_mean(hand, model)
    return {
        "pose": _single(angles[3:] @ directions)[None],
        "oripose": _single(angles.reshape(16, 3)),
        "shape": _single(hand["betas"])[None],
        "trans": _single(hand["transl"])[None],
        "R": _single(axis_angle_to_matrix(torch.from_numpy(angles[:3])).numpy())[None],
    }


def _seen(hand: WorldHand, camera: Camera) -> dict[str, Any]:
    """A hand as the camera of the cut sees it."""
    vertices, joints = camera.to_camera(hand.vertices), camera.to_camera(hand.joints)
    return {
        "hms": [],
        "verts3d": _single(vertices),
        "joints3d": _single(joints),
        "verts2d": _single(camera.project(vertices)),
        "joints2d": _single(camera.project(joints)),
        "R": _single(camera.R @ hand.parameters["R"][0]),
        "pose": hand.parameters["pose"][0],
        "shape": hand.parameters["shape"][0],
        "camera": _single(camera.K),
    }


def _single(values: Any) -> Float[np.ndarray, "..."]:
    return np.ascontiguousarray(values, dtype=np.float32)


def _npy(content: dict[str, Any]) -> bytes:
    """A dictionary as `np.save` writes it: an array of one object."""
    buffer = io.BytesIO()
    np.save(buffer, content, allow_pickle=True)
    return buffer.getvalue()

"""InterHand2.6M: MANO fits of both hands in the capture's world frame, one entry a moment.

`InterHand2.6M_{subset}_MANO_NeuralAnnot.json`: [capture][frame]{right|left}{pose[48], shape[10], trans[3]} or null,
axis-angle without the mean, metres. All files are streamed; what is kept of them grows with the frames, not the bytes.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dataset.errors import InputError
from dataset.readers.cameras import vertical, view_from_centre
from dataset.readers.checks import entry, integer, mapping, placed_hand
from dataset.readers.conventions import FingerAngles
from dataset.readers.frame import Fault, Frame, Refusal, attempt
from dataset.readers.interhand_joints import checked_hand_type
from dataset.readers.json_stream import entries, items
from dataset.readers.places import first_file, not_there
from hands.joints import Side
from hands.model import HandModel

SUBSETS = ("train", "val", "test")
PARTS = ("MANO_NeuralAnnot", "camera", "joint_3d", "data")
"""Endings of the annotation files; the first is needed, the third takes precedence over the fourth."""
UP_WITHOUT_CAMERAS = (0.0, -1.0, 0.0)
"""The data set's own camera viewer draws −y upwards."""
_EXPECTED = {"interacting": tuple(Side), "right": (Side.RIGHT,), "left": (Side.LEFT,)}

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""Published name of a split to ours."""
Key = tuple[str, ...]
Up = tuple[float, float, float]


def files(folder: Path, subset: str) -> dict[str, Path]:
    """The annotation files from which poses are read, by ending.

    Raises:
        InputError: the MANO file is missing, or there is no such subset.
    """
    found = annotation_files(folder, subset)
    if "joint_3d" in found:
        found.pop("data", None)
    return found


def annotation_files(folder: Path, subset: str) -> dict[str, Path]:
    """All annotation files there are, by ending: in the folder itself, `annotations/{subset}` or `annotations/all`.

    Raises:
        InputError: the MANO file is missing, or there is no such subset.
    """
    if subset not in SUBSETS:
        raise InputError(f"source.subset is '{subset}'; InterHand2.6M has {', '.join(SUBSETS)}")
    places = [folder / place for place in (".", subset, f"annotations/{subset}", "annotations/all", "all")]
    found = {part: first_file(places, f"InterHand2.6M_{subset}_{part}.json") for part in PARTS}
    if found["MANO_NeuralAnnot"] is None:
        raise not_there(folder, f"InterHand2.6M_{subset}_MANO_NeuralAnnot.json")
    return {part: path for part, path in found.items() if path}


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[Frame | Fault]:
    """Every frame that has a MANO entry, with what `joint_3d`, or else `data`, says of its hands."""
    paths = files(folder, subset)
    prefix = f"interhand26m-{subset}"
    ups: dict[str, Up] = {}
    told: dict[Key, str | Fault] = {}
    for part, reader in (("camera", _read_ups), ("joint_3d", _read_joints), ("data", _read_images)):
        if part in paths:
            yield from reader(paths[part], prefix, ups if part == "camera" else told)
    mano = paths["MANO_NeuralAnnot"]
    try:
        for keys, value in entries(mano, 2):
            yield _frame(mano.name, prefix, keys, value, told.get(keys), ups, hands)
    except Refusal as refusal:
        yield refusal.fault(mano.name, mano.name)


def _frame(
    file: str,
    prefix: str,
    keys: Key,
    value: object,
    hand_type: str | Fault | None,
    ups: dict[str, Up],
    hands: dict[Side, HandModel],
) -> Frame | Fault:
    if isinstance(hand_type, Fault):
        return hand_type
    name, up = "-".join((prefix, *keys)), ups.get(keys[0], UP_WITHOUT_CAMERAS)
    found = attempt(name, file, lambda: _hands(keys, value, hand_type, hands))
    told = None if hand_type is None else hand_type == "interacting"
    if isinstance(found, Fault):
        return found
    split = SPLITS[prefix.rpartition("-")[2]]
    return Frame(name, file, found, told, up, person=f"{prefix}-{keys[0]}", split=split)


def _hands(keys: Key, value: object, hand_type: str | None, hands: dict[Side, HandModel]) -> dict:
    where = ".".join(keys)
    stored = mapping(value if len(keys) == 2 else None, where)
    present = [side for side in Side if stored.get(side) is not None]
    for side in _EXPECTED.get(hand_type, ()):
        if side not in present:
            raise Refusal(f"{where}.{side}", "missing hand")
    read_one = lambda s: placed_hand(stored[s], f"{where}.{s}", FingerAngles.MINUS_MEAN, hands[s].arrays)  # noqa: E731
    return {side: read_one(side) for side in present}


def _read_ups(path: Path, prefix: str, ups: dict[str, Up]) -> Iterator[Fault]:
    """`camera`: [capture]{campos|camrot}[camera], millimetres; fills `ups` with each capture's vertical."""
    try:
        for keys, value in entries(path, 1):
            up = attempt(f"{prefix}-{keys[0]}", path.name, lambda k=keys[0], v=value: _up(k, v))
            if isinstance(up, Fault):
                yield up
            else:
                ups[keys[0]] = up
    except Refusal as refusal:
        yield refusal.fault(path.name, path.name)


def _up(capture: str, value: object) -> Up:
    values = mapping(value, capture)
    centres, rotations = (mapping(entry(values, key, capture), f"{capture}.{key}") for key in ("campos", "camrot"))
    keys = lambda camera: (f"{capture}.campos.{camera}", f"{capture}.camrot.{camera}")  # noqa: E731
    views = [view_from_centre(centre, rotations.get(name), *keys(name)) for name, centre in centres.items()]
    return vertical(views, f"{capture}.campos")


def _read_joints(path: Path, prefix: str, told: dict[Key, str | Fault]) -> Iterator[Fault]:
    """`joint_3d`: [capture][frame]{world_coord[42][3] millimetres, joint_valid[42], hand_type}."""
    check = lambda keys, value: checked_hand_type(mapping(value, ".".join(keys)), ".".join(keys))  # noqa: E731
    try:
        for keys, value in entries(path, 2):
            told[keys] = attempt("-".join((prefix, *keys)), path.name, lambda k=keys, v=value: check(k, v))
    except Refusal as refusal:
        yield refusal.fault(path.name, path.name)


def _read_images(path: Path, prefix: str, told: dict[Key, str | Fault]) -> Iterator[Fault]:
    """`data`: images[]{id, capture, frame_idx} and annotations[]{image_id, hand_type}, one a camera and moment."""
    ids, rows, frames = array("q"), array("q"), {}
    try:
        for image in items(path, "images.item"):
            key = tuple(str(entry(mapping(image, "images"), field, "images")) for field in ("capture", "frame_idx"))
            ids.append(integer(image, "id", "images"))
            rows.append(frames.setdefault(key, len(frames)))
        order, names = np.argsort(ids, kind="stable"), list(frames)
        ids, rows = np.asarray(ids)[order], np.asarray(rows)[order]
        for annotation in items(path, "annotations.item"):
            image = integer(annotation, "image_id", "annotations")
            row = int(np.searchsorted(ids, image))
            if row < len(ids) and ids[row] == image:
                told[names[rows[row]]] = str(entry(annotation, "hand_type", "annotations"))
    except Refusal as refusal:
        yield refusal.fault(path.name, path.name)

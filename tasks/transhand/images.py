"""Images by the place that names them: a dataset of this project, or KIND=PATH of recorded images."""

import zlib
from pathlib import Path

from dataset.assets.hand_files import hands_of, load_hands
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.recorded_images.kinds import kind_of
from dataset.recorded_images.reading import read_recording
from dataset.recorded_images.recording import Recording
from dataset.storage.cache import alone
from dataset.storage.opening import open_store
from hands.joints import Side
from hands.model import HandModel
from tasks.progress import say

Hands = dict[Side, HandModel]
HELD_OUT = ("test", "validation")
"""Splits that networks are judged on, the better first."""
_SUBSETS = {"interhand26m": {"train": "train", "validation": "val", "test": "test"}}
"""Kinds whose subsets are splits, all in one folder. A folder of another kind is for one purpose, which the user knows."""


def kind_and_folder(place: str) -> tuple[str, str]:
    """Kind and folder of recorded images; an empty kind and the place itself of a dataset.

    Raises:
        InputError: there is no such kind, or no such folder.
    """
    kind, sign, path = place.partition("=")
    if not sign or "/" in kind or Path(place).exists():
        return "", place
    kind_of(kind)
    if not Path(path).is_dir():
        raise InputError(f"{place}: there is no such folder; give the one that holds the images of {kind}")
    return kind, path


def has_split(place: str, split: str) -> bool:
    """Whether a place has images of a split and can tell them from those of the others.

    Raises:
        InputError: there is no such place.
    """
    kind, path = kind_and_folder(place)
    if kind:
        return split in _SUBSETS.get(kind, {}) and _has_files(kind, Path(path), subset_of(kind, split))
    return bool(Manifest.read(open_store(path)).splits.get(split, {}).get("images"))


def _has_files(kind: str, folder: Path, subset: str) -> bool:
    try:
        return bool(kind_of(kind).files(folder, subset))
    except InputError:
        return False


def subset_of(kind: str, split: str) -> str:
    """What a kind calls a split; empty, its first subset, where subsets are no splits."""
    return _SUBSETS.get(kind, {}).get(split, "")


def hands_for(place: str, mano: Path | None) -> Hands:
    """The hand model that a place's labels are meant for.

    Raises:
        InputError: a dataset was made with another one.
    """
    kind, path = kind_and_folder(place)
    if not kind:
        return hands_of(Manifest.read(open_store(path)), mano)
    hands = load_hands(mano)
    if "sha256" not in hands[Side.RIGHT].arrays.notes:
        say(f"{place}: parameters of MANO on the free hand are an approximation", level="warning")
    return hands


def recording_of(kind: str, folder: Path, subset: str, hands: Hands, kept_in: Path) -> Recording:
    """Recorded images, read by one process of a machine; the others, and later ones, find what it has kept.

    Args:
        kind: one of `dataset.recorded_images.kinds`.
        folder: where the images are.
        subset: one that the kind knows; empty for its first.
        hands: the hand model.
        kept_in: a folder for what was read.

    Raises:
        InputError: nothing of that kind is there, or none of it can be used.
    """
    kept = kept_in / f"{kind}-{subset or 'first'}-{zlib.crc32(str(folder.resolve()).encode()):08x}.npz"
    with alone(kept, kept.name):
        recording = read_recording(kind, folder, hands, subset, kept)
    say(f"{kind}={folder}: {len(recording):,} images; left out: {recording.told.sentence()}")
    return recording

"""The raw poses of a run: which files they are, told by checksum, and the poses themselves, read when first asked for."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from dataset.assets.gestures import load_gestures
from dataset.errors import InputError
from dataset.readers.formats import FITS_OF_MANO, TWO_HANDS
from dataset.readers.frame import Fault
from dataset.readers.source import RawPoses, Rules, choose_distinct, content_sha256, read_source
from hands.gestures import Gesture, gesture_pose
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from tasks.config import SourceConfig
from tasks.progress import say

Hands = dict[Side, HandModel]


@dataclass
class PoseSource:
    """Where raw poses come from."""

    kind: str
    sha256: str
    """Checksum of its content, whatever the files are called and wherever they lie."""
    read: Callable[[], RawPoses]

    @cached_property
    def raw(self) -> RawPoses:
        """The poses, read once.

        Raises:
            InputError: they cannot be read.
        """
        return self.read()


def open_source(config: SourceConfig, hands: Hands, known: str | None = None) -> PoseSource:
    """The source that the configuration names.

    A dataset can be opened without its source, to render or look at what it holds; only raw poses are out of reach then.

    Args:
        config: kind and place.
        hands: that the poses are for.
        known: checksum of the source that an existing dataset was made from; None for a new one.

    Raises:
        InputError: its files are missing, or none is named for a new dataset.
    """
    if config.kind == "gestures":
        gestures = load_gestures(config.gestures, config.names)
        sha256 = hashlib.sha256(repr(gestures).encode()).hexdigest()
        return PoseSource(config.kind, sha256, lambda: _posed(gestures, hands, config.distinct))
    if config.path is None:
        if known is None:
            raise InputError(f"source.kind is {config.kind}, but no source.path is given; add --set source.path=DIR")
        return PoseSource(config.kind, known, lambda: _refuse_to_read(config.kind))
    sha256 = content_sha256(TWO_HANDS[config.kind].files(config.path, config.subset))
    return PoseSource(config.kind, sha256, lambda: _read_aloud(config, hands))


def _posed(gestures: list[Gesture], hands: Hands, distinct: int) -> RawPoses:
    right, left = hands[Side.RIGHT], hands[Side.LEFT]
    poses = TwoHandPose.stack([gesture_pose(gesture, right, left) for gesture in gestures])
    names, splits = [gesture.name for gesture in gestures], [gesture.split for gesture in gestures]
    return choose_distinct(RawPoses(names, poses, splits), hands, distinct)


def _refuse_to_read(kind: str) -> RawPoses:
    raise InputError(f"raw poses of {kind} are needed, but no source.path is given; add --set source.path=DIR")


def _read_aloud(config: SourceConfig, hands: Hands) -> RawPoses:
    """Read a recorded source and say what became of all its frames."""
    if config.kind in FITS_OF_MANO and "sha256" not in hands[Side.RIGHT].arrays.notes:
        say(f"{config.kind} holds parameters of MANO: with the free hand its poses are an approximation (hands.mano)")
    say(f"Reading poses of {config.kind}")
    started = time.monotonic()
    rules = Rules(config.max_hand_distance_mm, config.distinct, config.faults == "refuse")
    raw = read_source(config.kind, config.path, config.subset, hands, rules)
    say(f"Reading poses: {len(raw.names)} poses in {time.monotonic() - started:.1f} s")
    for reason, count in raw.left_out.items():
        say(f"Reading poses: {count} left out: {reason}")
    for reason, count in Counter(fault.reason for fault in raw.faults).items():
        say(f"Reading poses: {count} unusable: {reason}, the first in {_first(raw.faults, reason).place}")
    return raw


def _first(faults: tuple[Fault, ...], reason: str) -> Fault:
    return next(fault for fault in faults if fault.reason == reason)

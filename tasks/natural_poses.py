"""Poses that people make: those of the gesture library, or of any recordings that are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import load_hands
from dataset.errors import InputError
from dataset.readers.formats import ALL
from dataset.readers.natural import natural_hand_poses
from hands.gestures import gesture_angles
from hands.joints import Side
from hands.model import HandModel
from models.labelled_poses import NaturalPoses, natural_poses
from tasks.progress import say
from tasks.step import step

RUN = 200
"""Most hands of a recording that are one group: neighbours are alike, and alike poses must not judge what they taught."""
LEAST_GROUPS = 50
"""Short recordings are cut finer, into so many."""


@dataclass(frozen=True, eq=False)
class Source:
    """Natural poses and what to say of where they come from."""

    poses: NaturalPoses
    about: str
    built_in: bool


@step
def collect_natural_poses(recordings: Sequence[str], mano: Path | None) -> Source:
    """The poses of recordings, each named as `KIND=PATH`; the gesture library's when there are none.

    Raises:
        InputError: a kind is unknown, a path or the MANO folder cannot be used.
    """
    if not recordings:
        return _gestures()
    places = [_place(recording) for recording in recordings]
    hands = load_hands(mano)
    parts = [_recorded(kind, path, hands) for kind, path in places]
    angles, offset, groups = torch.cat([part.angles for part in parts]), 0, []
    for part in parts:
        groups.append(part.groups + offset)
        offset += int(part.groups.max()) + 1
    about = ", ".join(f"{len(part):,} hands of {kind}" for (kind, _), part in zip(places, parts, strict=True))
    return Source(NaturalPoses(angles, torch.cat(groups)), about, built_in=False)


def _gestures() -> Source:
    gestures = load_gestures()
    angles = [gesture_angles(hand, torch.float64) for gesture in gestures for hand in (gesture.right, gesture.left)]
    groups = torch.arange(len(gestures)).repeat_interleave(2)
    return Source(NaturalPoses(torch.stack(angles), groups), f"both hands of {len(gestures)} built-in gestures", True)


def _place(recording: str) -> tuple[str, Path]:
    kind, sign, path = recording.partition("=")
    if not sign or not path or kind not in ALL:
        raise InputError(f"--poses {recording}: must be KIND=PATH with one of the kinds {', '.join(ALL)}")
    return kind, Path(path)


def _recorded(kind: str, path: Path, hands: dict[Side, HandModel]) -> NaturalPoses:
    found = natural_hand_poses(kind, path, hands)
    if found.faults:
        first = found.faults[0]
        say(f"{path}: {len(found.faults)} unusable hands left out, the first in {first.place}")
    return natural_poses(torch.from_numpy(found.hand_pose), found.sides, hands, _runs(len(found.sides)))


def _runs(count: int) -> Int[Tensor, "{count}"]:
    return torch.arange(count) // max(1, min(RUN, count // LEAST_GROUPS))

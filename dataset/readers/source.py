"""A whole source of two-hand poses: read, sorted out, brought into this project's world, distinct ones chosen.

Nothing disappears unseen: what cannot be used is a fault with its place, what is left out on purpose is counted by reason.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dataset.errors import InputError
from dataset.readers.conventions import one_shape_per_person, rotation_to_z
from dataset.readers.formats import TWO_HANDS
from dataset.readers.frame import UP, Fault, Frame
from dataset.rows import in_camera_frame
from dataset.shards import file_sha256
from dataset.splits import split_of
from hands.camera import Camera
from hands.joints import Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.selection import closer_than, farthest_points, joint_features

Hands = dict[Side, HandModel]
_BLOCK = 256


@dataclass(frozen=True)
class Rules:
    """What is taken from a source."""

    max_distance_mm: float = 50.0
    """Hands farther apart than this do not interact."""
    distinct: int = 0
    """How many distinct poses; 0: all."""
    refuse_faults: bool = False
    """Whether a fault ends the reading."""


@dataclass(frozen=True, eq=False)
class RawPoses:
    """The poses of a source, and what became of the rest."""

    names: list[str]
    """Unique."""
    poses: TwoHandPose
    """World frame with z up; the mean of both hands' joints is at the origin."""
    splits: list[str]
    """train, validation or test for each: the published split, or one that all poses of the person share."""
    faults: tuple[Fault, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    """Frames that nothing is wrong with, by the reason why they are not among the poses."""

    def __getitem__(self, rows: Sequence[int]) -> "RawPoses":
        """Only these poses, in this order."""
        names, splits = ([column[row] for row in rows] for column in (self.names, self.splits))
        return replace(self, names=names, poses=self.poses[list(rows)], splits=splits)


def content_sha256(files: Mapping[str, Path]) -> str:
    """Checksum of the files' names and bytes, streamed: what the source is, wherever it lies."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{file_sha256(files[name])}\n".encode())
    return whole.hexdigest()


def read_source(kind: str, folder: Path, subset: str, hands: Hands, rules: Rules) -> RawPoses:
    """All poses of a source that the rules admit, in the source's order; in order of selection when distinct ones are asked.

    Raises:
        InputError: there are no files of that kind, none of the frames can be used, or there is a fault where none may be.
    """
    faults: list[Fault] = []
    left_out: Counter[str] = Counter()
    found = TWO_HANDS[kind].read(Path(folder), subset, hands)
    frames = _usable(_unique(found), rules.refuse_faults, faults, left_out)
    names, people, splits, blocks = [], [], [], []
    for block in _blocks(frames):
        poses = assemble(block, hands)
        near = closer_than(poses, hands, rules.max_distance_mm / 1000).nonzero()[:, 0].tolist()
        left_out[f"hands more than {rules.max_distance_mm:g} mm apart"] += len(block) - len(near)
        names += [block[row].name for row in near]
        people += [block[row].person for row in near]
        splits += [_split(block[row]) for row in near]
        blocks.append(poses[near])
    if not names:
        raise InputError(
            f"{folder}: no pose of {kind} can be used ({_told(faults, left_out)}); see docs/pose-sources.md"
        )
    poses = one_shape_per_person(TwoHandPose.stack(blocks), people, hands)
    return choose_distinct(RawPoses(names, poses, splits, tuple(faults), +left_out), hands, rules.distinct)


def choose_distinct(raw: RawPoses, hands: Hands, count: int) -> RawPoses:
    """The poses that cover all of them best, in order of selection; all, in their own order, for 0."""
    if count == 0:
        return raw
    chosen = farthest_points(joint_features(raw.poses, hands), count)
    reason = f"like a chosen pose, within {chosen.radius_mm:.3g} mm"
    left_out = raw.left_out + Counter({reason: len(raw.names) - len(chosen.indices)})
    return replace(raw[chosen.indices], left_out=left_out)


def _split(frame: Frame) -> str:
    return frame.split or split_of("person", frame.person or frame.name)


def assemble(frames: list[Frame], hands: Hands) -> TwoHandPose:
    """Frames with both hands and one vertical as a batch in this project's world."""
    rotation = Camera(np.eye(3), rotation_to_z(frames[0].up), np.zeros(3), 0, 0)
    sides = []
    for side in Side:
        columns = zip(*(frame.hands[side].parameters for frame in frames), strict=True)
        pose = HandPose(*(torch.as_tensor(np.stack(column)) for column in columns))
        sides.append(in_camera_frame(pose, hands[side], rotation) if frames[0].up != UP else pose)
    poses = TwoHandPose(*sides)
    joints = torch.cat([_joints(poses.to(torch.float32), side, hands) for side in Side], dim=1)
    return poses.moved(-joints.mean(1).double()).to(torch.float32)


def _joints(poses: TwoHandPose, side: Side, hands: Hands) -> torch.Tensor:
    return hands[side].joints_21(poses.side(side).pose(hands[side]))


def _unique(found: Iterable[Frame | Fault]) -> Iterator[Frame | Fault]:
    """The same with a fault in place of a frame that was there before."""
    seen = set()
    for item in found:
        if isinstance(item, Frame) and item.name in seen:
            item = Fault(item.name, item.file, item.name, "duplicate frame")
        elif isinstance(item, Frame):
            seen.add(item.name)
        yield item


def _usable(
    found: Iterable[Frame | Fault], refuse: bool, faults: list[Fault], left_out: Counter[str]
) -> Iterator[Frame]:
    """Frames of two hands that interact; the others go where they are counted."""
    for item in found:
        if isinstance(item, Fault):
            if refuse:
                raise InputError(
                    f"{item.place}: {item.reason}; mend it, or leave such poses out with source.faults=skip"
                )
            faults.append(item)
        elif len(item.hands) < 2 or item.interacting is False:
            left_out["not interacting"] += 1
        else:
            yield item


def _blocks(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Frames that follow each other and have one vertical, a few at a time."""
    block: list[Frame] = []
    for frame in frames:
        if block and (len(block) == _BLOCK or frame.up != block[0].up):
            yield block
            block = []
        block.append(frame)
    if block:
        yield block


def _told(faults: Iterable[Fault], left_out: Counter[str]) -> str:
    counts = left_out + Counter(fault.reason for fault in faults)
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "it holds none"


def rejected_row(fault: Fault, source: str) -> dict[str, Any]:
    """A fault as a row of `rejected`; `base_pose` says where it is."""
    about = {"sample_id": "", "stage": "read", "reason": fault.reason, "value": fault.value, "limit": fault.limit}
    return {"pose_id": fault.name, "source": source, "base_pose": fault.place, "augmentation": 0} | about

"""The poses that benchmarks work on: augmented gestures of different people, the same wherever the numbers are the same."""

import argparse
from dataclasses import dataclass

import torch

from dataset.assets.anchors import load_anchors
from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import load_hands
from hands.augment import AugmentationConfig, augment, reshape_people
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.model import HandModel
from hands.optimise import Engine
from hands.pose import TwoHandPose
from models.discriminator import load_discriminator


@dataclass(frozen=True, eq=False)
class Candidates:
    """Poses to optimise, and which of them are meant to touch."""

    poses: TwoHandPose
    touching: torch.Tensor
    names: list[str]

    def __getitem__(self, rows: slice) -> "Candidates":
        return Candidates(self.poses[rows], self.touching[rows], self.names[rows])


def add_arguments(parser: argparse.ArgumentParser, copies: int) -> None:
    """The numbers that decide the candidates."""
    parser.add_argument("--copies", type=int, default=copies, help="variations of each of the 49 gestures")
    parser.add_argument("--bend", type=float, default=90.0, help="largest bend offset, degrees (paper: 90)")
    parser.add_argument("--splay", type=float, default=30.0, help="largest splay offset, degrees (paper: 30)")


def candidates(hands: dict[Side, HandModel], copies: int, bend: float, splay: float) -> Candidates:
    """`copies` variations of every gesture, each by another person."""
    gestures = load_gestures()
    raw = [gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures for _ in range(copies)]
    names = [f"{g.name}-a{copy + 1:03d}" for g in gestures for copy in range(copies)]
    config = AugmentationConfig(copies, bend, splay)
    varied = augment(TwoHandPose.stack(raw), names, hands, config, seed=0)
    touching = torch.tensor([g.touching for g in gestures for _ in range(copies)])
    return Candidates(reshape_people(varied, names, hands, config, seed=0), touching, names)


def default_engine() -> Engine:
    """The free hand, its anchors, and the built-in discriminator."""
    hands = load_hands()
    return Engine(hands, load_anchors(hands), load_discriminator().double())

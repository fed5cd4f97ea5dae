"""Posed hands for tests of surfaces: overlapping pairs, and hands whose every array is in use."""

from dataclasses import replace

import numpy as np
import torch

from dataset.assets.gestures import load_gestures
from hands.augment import AugmentationConfig, augment, reshape_people
from hands.contact import Anchors
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.model import HandModel
from hands.objective import Objective
from hands.pose import TwoHandPose

Hands = dict[Side, HandModel]


def varied_gestures(hands: Hands, copies: int, degrees: float, names: tuple[str, ...] = ()) -> TwoHandPose:
    """Gestures of different people with joints moved by up to so many degrees: many overlap."""
    gestures = load_gestures(names=names)
    raw = TwoHandPose.stack(
        [gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures for _ in range(copies)]
    )
    labels = [f"{g.name}-{copy}" for g in gestures for copy in range(copies)]
    config = AugmentationConfig(copies, degrees, degrees / 3)
    return reshape_people(augment(raw, labels, hands, config, 0), labels, hands, config, 0)


def with_correctives(hands: Hands, generator: np.random.Generator) -> Hands:
    """The free hands with made-up pose correctives of a few millimetres, such as MANO has."""
    return {
        side: HandModel(replace(m.arrays, posedirs=generator.normal(0, 1e-3, m.arrays.posedirs.shape)), torch.float64)
        for side, m in hands.items()
    }


def objective(poses: TwoHandPose, hands: Hands, real: torch.dtype = torch.float64, **more: object) -> Objective:
    """The objective of poses with evenly spread anchors."""
    return Objective.build(poses, hands, Anchors.even(hands), real=real, **more)

"""What tests of the networks share."""

import pytest
import torch

from dataset.assets.gestures import load_gestures
from hands.gestures import gesture_angles
from models.labelled_poses import NaturalPoses
from models.transhand.levels import Meshes
from models.transhand.upsampling import meshes_of


@pytest.fixture(scope="session")
def library() -> NaturalPoses:
    """Both hands of every built-in gesture."""
    gestures = load_gestures()
    angles = [gesture_angles(hand, torch.float64) for gesture in gestures for hand in (gesture.right, gesture.left)]
    return NaturalPoses(torch.stack(angles), torch.arange(len(gestures)).repeat_interleave(2))


@pytest.fixture
def draws() -> torch.Generator:
    """A fresh generator with one seed."""
    return torch.Generator().manual_seed(2023)


@pytest.fixture(scope="session")
def meshes(hands) -> Meshes:
    """What TransHand knows of the free hands, from fewer samples than usual."""
    return meshes_of(hands, torch.Generator().manual_seed(2023), count=100)

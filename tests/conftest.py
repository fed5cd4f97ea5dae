"""Fixtures that every package's tests share."""

import numpy as np
import pytest

from dataset.hand_files import load_hands
from hands.joints import Side
from hands.model import HandModel


@pytest.fixture(scope="session")
def hands() -> dict[Side, HandModel]:
    """Both free hands."""
    return load_hands()


@pytest.fixture
def generator() -> np.random.Generator:
    """A fresh generator with one seed, so that no test depends on the tests before it."""
    return np.random.default_rng(2023)

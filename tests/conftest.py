"""Fixtures that every package's tests share."""

import os
import tempfile

import numpy as np
import pytest
import torch

from dataset.assets.hand_files import load_hands
from hands.joints import Side
from hands.model import HandModel

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(
    prefix="render-ih-tests-"
)  # maps that a developer pulled change nothing
os.environ["RENDER_IH_PREFECT"] = "0"  # runs of tests are nothing that a developer wants to see in Prefect
torch.set_num_threads(1)  # small tensors gain nothing from more, and lose much where cores are shared


@pytest.fixture(scope="session")
def hands() -> dict[Side, HandModel]:
    """Both free hands."""
    return load_hands()


@pytest.fixture
def generator() -> np.random.Generator:
    """A fresh generator with one seed, so that no test depends on the tests before it."""
    return np.random.default_rng(2023)

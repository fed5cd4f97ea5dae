"""A hand like MANO's for all readers' tests: its rest wrist is away from the origin and moves with the shape."""

from dataclasses import replace

import numpy as np
import pytest

from dataset.assets.hand_files import load_hand
from hands.joints import Side
from hands.model import HandArrays, HandModel

WRIST = np.array([0.096, 0.006, 0.006])
"""Metres. The free hand has its wrist at the origin whatever its shape, so that wrong formulas would pass with it."""


def away_from_the_origin(arrays: HandArrays) -> HandArrays:
    """The same hand elsewhere in its file: every joint moves along, since rows of `J_regressor` sum to 1."""
    flip = np.array([1.0 if arrays.side is Side.RIGHT else -1.0, 1.0, 1.0])
    by_shape = 0.002 * np.cos(np.arange(30.0)).reshape(3, 10) * flip[:, None]
    return replace(arrays, v_template=arrays.v_template + flip * WRIST, shapedirs=arrays.shapedirs + by_shape)


@pytest.fixture(scope="session")
def hands() -> dict[Side, HandModel]:
    """Both hands, displaced."""
    return {side: HandModel(away_from_the_origin(load_hand(side))) for side in Side}

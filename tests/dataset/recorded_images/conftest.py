"""A hand whose rest wrist is away from the origin, as MANO's is, for all tests of recorded images."""

import pytest

from dataset.assets.hand_files import load_hand
from hands.joints import Side
from hands.model import HandModel
from tests.dataset.readers.conftest import away_from_the_origin


@pytest.fixture(scope="session")
def hands() -> dict[Side, HandModel]:
    """Both hands, displaced."""
    return {side: HandModel(away_from_the_origin(load_hand(side))) for side in Side}

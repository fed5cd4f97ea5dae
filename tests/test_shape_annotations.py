"""The shapes in annotations are checked while tests run; without this the annotations could rot unseen."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from hands.camera import look_at
from hands.rotations import skew


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(TypeCheckError):
        skew(torch.zeros(4))
    with pytest.raises(TypeCheckError):
        look_at(np.zeros(2), np.ones(3), np.ones(3), 0.0, 1.0, 8, 8)

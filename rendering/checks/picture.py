"""Whether a finished picture can be used: not black, not of one colour, hands there and bright enough to be seen."""

import numpy as np
from jaxtyping import Float

from rendering.failures import Failure, RenderError
from rendering.job import RenderedImage

LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
LEAST_LEVEL = 2.0
"""Mean level (0–255) of a picture; below it the picture is black."""
LEAST_SPREAD = 1.0
"""Standard deviation of its levels; below it the picture is one colour."""
LEAST_HAND_LEVEL = 24.0
"""Level that the brightest tenth of the hands' pixels must reach: a backlit hand below it is a black outline."""


def check_picture(image: RenderedImage) -> None:
    """Refuse what no network should learn from.

    Raises:
        RenderError: a bad picture; says which rule it broke, with the value and the limit.
    """
    levels = image.pixels @ LUMA
    _least("black: its mean level is {:.1f} of 255", float(levels.mean()), LEAST_LEVEL)
    _least("one colour: its levels spread by {:.2f}", float(levels.std()), LEAST_SPREAD)
    on_hands = levels[image.hands > 0]
    _least("no hand is seen in it", float(len(on_hands)), 1)
    _least(
        "hands too dark: nine tenths of them are below level {:.1f} of 255", bright_tenth(on_hands), LEAST_HAND_LEVEL
    )


def bright_tenth(levels: Float[np.ndarray, "k"]) -> float:
    """The level that a tenth of the pixels reaches."""
    return float(np.quantile(levels, 0.9))


def _least(what: str, value: float, limit: float) -> None:
    if value < limit:
        raise RenderError(Failure.BAD_PICTURE, what.format(value), value, limit)

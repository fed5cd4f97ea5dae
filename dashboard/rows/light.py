"""What one picture is like, by numbers: how light, how rich in contrast, how sharp, and whether it shows anything."""

import io
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

SIDE = 256
"""Longer side in pixels, or up to twice that, of pictures as they are looked at; JPEGs are decoded at that size, quickly."""
LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
DARK, BRIGHT = 8, 247
"""Levels (0–255) from which on a pixel counts as without detail."""
BLACK_LEVEL, BLACK_HANDS = 2.0, 24.0
"""A picture is black when its mean level is below the first, or nine tenths of its hands are below the second: the levels by
which the renderer's own check (`rendering.checks.picture`) refuses pictures."""
_MOST_PIXELS = 50_000_000
"""A picture beyond that is not decoded."""


class Photo(NamedTuple):
    """Figures of a picture. Levels are those of its file (sRGB), as shares of white: 0 is black, 1 is white."""

    light: float
    """Mean level."""
    contrast: float
    """Standard deviation of the levels."""
    dark_share: float
    """Share of pixels at or below `DARK`."""
    bright_share: float
    """Share of pixels at or above `BRIGHT`."""
    hand_light: float | None
    """Mean level where hands are; None without a mask, or without a hand in it."""
    sharpness: float
    """Difference of neighbouring pixels over that of any two pixels: 0 for a smooth picture, 1 for noise."""
    black: bool
    """Whether it shows nothing, see `BLACK_LEVEL`."""


def measure(picture: bytes, mask: bytes | None) -> Photo:
    """Figures of an encoded picture and of the mask of its hands, which is looked at in the same size.

    Raises:
        ValueError: the picture cannot be decoded; a mask that cannot be is left out.
    """
    levels = _levels(picture)
    hands = _on_hands(levels, mask) if mask else None
    spread = float(levels.std())
    black = levels.mean() < BLACK_LEVEL or (hands is not None and np.quantile(hands, 0.9) < BLACK_HANDS)
    return Photo(
        light=float(levels.mean()) / 255,
        contrast=spread / 255,
        dark_share=float((levels <= DARK).mean()),
        bright_share=float((levels >= BRIGHT).mean()),
        hand_light=None if hands is None else float(hands.mean()) / 255,
        sharpness=_roughness(levels) / spread if spread > 1e-3 else 0.0,
        black=bool(black),
    )


def _levels(picture: bytes) -> Float[np.ndarray, "h w"]:
    """Of a picture made smaller."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels are too many")
            factor = max(1, max(image.size) // SIDE)
            image.draft("RGB", (max(1, image.width // factor), max(1, image.height // factor)))
            colours = image.convert("RGB")
    except Exception as error:  # decoders fail in many ways
        raise ValueError(f"is no picture that can be decoded ({type(error).__name__}: {error})") from error
    return _pixels(colours.reduce(max(1, max(colours.size) // SIDE))) @ LUMA


def _pixels(picture: Image.Image) -> UInt8[np.ndarray, "h w *c"]:
    return np.asarray(picture)


def _on_hands(levels: Float[np.ndarray, "h w"], mask: bytes) -> Float[np.ndarray, "n"] | None:
    """Levels of the pixels that show a hand."""
    height, width = levels.shape
    try:
        with Image.open(io.BytesIO(mask)) as image:
            if image.width * image.height > _MOST_PIXELS or len(image.getbands()) != 1:
                return None
            hands = _pixels(image.resize((width, height), Image.Resampling.NEAREST)) > 0
    except Exception:  # as above
        return None
    return levels[hands] if hands.any() else None


def _roughness(levels: Float[np.ndarray, "h w"]) -> float:
    """Root mean square of the differences of neighbours, so scaled that noise gives its own standard deviation."""
    across, down = np.diff(levels, axis=1), np.diff(levels, axis=0)
    squares = [float(np.square(steps).mean()) if steps.size else 0.0 for steps in (across, down)]
    return float(np.sqrt(sum(squares) / 4))

"""Whether a picture can be the world around the hands. Plain NumPy: the Blender process calls it with what it loaded."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from rendering.failures import Failure, RenderError

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Of linear Rec. 709."""
LEAST_WIDTH = 128
"""Columns; fewer would light the hands by a few blurred patches."""
LEAST_RADIANCE = 1e-3
"""Mean luminance, in the map's own unit: below it a map is black for a light meter, which would only amplify noise."""


def judge(radiance: Float[np.ndarray, "h w 3"], path: Path) -> float:
    """Mean luminance over the sphere.

    Raises:
        RenderError: the map is not twice as wide as high, too small, holds values that are no numbers, or is too dark.
    """
    height, width, _ = radiance.shape
    if width != 2 * height:
        raise _refusal(path, f"is {width} × {height} pixels and not twice as wide as high", width / height, 2)
    if width < LEAST_WIDTH:
        raise _refusal(path, f"is {width} pixels wide, at least {LEAST_WIDTH} are needed", width, LEAST_WIDTH)
    luminance = radiance @ LUMINANCE
    if not np.isfinite(luminance).all():
        wrong = int((~np.isfinite(luminance)).sum())
        raise _refusal(path, f"holds {wrong} pixels that are no finite numbers", wrong, 0)
    solid_angle = np.cos((np.arange(height) + 0.5) / height * np.pi - np.pi / 2)
    mean = float(np.average(luminance.mean(axis=1), weights=solid_angle))
    if mean < LEAST_RADIANCE:
        raise _refusal(
            path, f"is too dark (mean luminance {mean:.2g}, at least {LEAST_RADIANCE:g})", mean, LEAST_RADIANCE
        )
    return mean


def _refusal(path: Path, what: str, value: float, limit: float) -> RenderError:
    return RenderError(
        Failure.ENVIRONMENT, f"{path}: {what}; replace the file or take it out of the list", value, limit
    )

"""Pictures that are too dark to show anything."""

from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from dataset.readers.frame import Refusal

_COARSE = 8
"""Decoding a JPEG at an eighth of its size takes a fraction of the time."""
_NEAR = 2.0
"""How near the limit a coarse mean settles nothing."""


def is_dark(path: Path, limit: float) -> bool:
    """Whether the mean of a picture's values (0 to 255, all channels) is below the limit.

    Raises:
        Refusal: the file is missing or is no picture.
    """
    try:
        encoded = path.read_bytes()
        if not simplejpeg.is_jpeg(encoded):
            with Image.open(path) as picture:
                return float(np.asarray(picture.convert("RGB")).mean()) < limit
        coarse = float(simplejpeg.decode_jpeg(encoded, min_height=1, min_width=1, min_factor=_COARSE).mean())
        if abs(coarse - limit) > _NEAR:
            return coarse < limit
        return float(simplejpeg.decode_jpeg(encoded).mean()) < limit
    except FileNotFoundError as error:
        raise Refusal("", "missing file") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise Refusal("", "unreadable file") from error

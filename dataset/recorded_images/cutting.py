"""Squares cut out of pictures on storage, decoded and resized into an array that is there already."""

import io
from pathlib import Path

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

Box = tuple[int, int, int, int]


def cut_out(path: Path, size: tuple[int, int], box: Box, out: UInt8[np.ndarray, "s s 3"]) -> None:
    """Part of a picture as RGB into `out`, black beyond the picture's borders; averaged where it shrinks.

    Args:
        path: a JPEG, PNG or anything that Pillow reads.
        size: width and height that the picture must have, pixels.
        box: left, top, right and lower border of the part, whole pixels; one of the same shape as `out`.
        out: where it is put.

    Raises:
        ValueError: the picture is of another size, or damaged.
        OSError: it is missing, damaged, or no picture.
    """
    picture = _decoded(path.read_bytes())
    if picture.size != size:
        raise ValueError(f"is {picture.width}×{picture.height} where its annotation says {size[0]}×{size[1]}")
    part = picture.crop(box)  # black beyond the borders
    side = len(out)
    out[:] = np.asarray(part if part.size == (side, side) else part.resize((side, side), Image.Resampling.BILINEAR))


def _decoded(encoded: bytes) -> Image.Image:
    if simplejpeg.is_jpeg(encoded):
        return Image.fromarray(simplejpeg.decode_jpeg(encoded))
    return Image.open(io.BytesIO(encoded)).convert("RGB")

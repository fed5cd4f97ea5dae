"""Encoded pictures into arrays that are there already, at the size wanted."""

import io

import numpy as np
import simplejpeg
from jaxtyping import Num, UInt8
from PIL import Image

from dataset.pictures import DEPTH_UNIT

_JPEG = b"\xff\xd8"


def decode_photo(encoded: memoryview, out: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> None:
    """A JPEG or PNG of that (width, height) as RGB into `out`, resized when `out` has another size.

    Raises:
        ValueError: it is of another size, or damaged.
        OSError: it is damaged, or no picture.
    """
    if bytes(encoded[:2]) != _JPEG or out.shape[1::-1] != size:
        out[:] = _resized(_opened(encoded, size).convert("RGB"), out.shape[1::-1], Image.Resampling.BILINEAR)
        return
    decoded = simplejpeg.decode_jpeg(encoded, buffer=out)
    if decoded.shape != out.shape:
        raise ValueError(f"is {decoded.shape[1]}×{decoded.shape[0]} where the row says {size[0]}×{size[1]}")


def decode_mask(encoded: memoryview, out: Num[np.ndarray, "h w"], size: tuple[int, int]) -> None:
    """The numbers of a label picture into `out`, the nearest pixel's when `out` has another size; depth (float) in metres.

    Raises:
        ValueError: it is of another size, has colours, or is damaged.
        OSError: it is damaged, or no picture.
    """
    picture = _opened(encoded, size)
    if len(picture.getbands()) != 1:
        raise ValueError(f"has {len(picture.getbands())} channels where one is expected")
    numbers = np.asarray(_resized(picture, out.shape[::-1], Image.Resampling.NEAREST))
    out[:] = numbers * DEPTH_UNIT if out.dtype == np.float32 else numbers


def _opened(encoded: memoryview, size: tuple[int, int]) -> Image.Image:
    picture = Image.open(io.BytesIO(encoded))
    if picture.size != size:
        raise ValueError(f"is {picture.width}×{picture.height} where the row says {size[0]}×{size[1]}")
    return picture


def _resized(picture: Image.Image, size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, how)

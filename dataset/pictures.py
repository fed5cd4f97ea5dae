"""Encoded pictures in table cells: `{bytes, path}`, as Hugging Face stores them."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16
from PIL import Image

DEPTH_UNIT = 1e-4
"""Metres for one step of the depth picture."""


Numbers = UInt8[np.ndarray, "h w"] | UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w"]


def png_cell(values: Numbers, name: str) -> dict[str, Any]:
    """A lossless cell; the same values give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": f"{name}.png"}


def encode_normals(normals: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Unit normals as colours, (n + 1) · 127.5; zero vectors (no surface) stay black."""
    there = np.abs(normals).sum(-1, keepdims=True) > 0
    return np.where(there, np.round((normals + 1) * 127.5), 0).astype(np.uint8)


def jpeg_cell(values: UInt8[np.ndarray, "h w 3"], name: str, quality: int = 95) -> dict[str, Any]:
    """A JPEG cell at full colour resolution."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "JPEG", quality=quality, subsampling=0)
    return {"bytes": buffer.getvalue(), "path": f"{name}.jpg"}


def photo_cell(png: bytes, name: str, quality: int | None) -> dict[str, Any]:
    """The picture of a PNG file as it is kept: as JPEG of that quality, or as it is for None."""
    if quality is None:
        return {"bytes": png, "path": f"{name}.png"}
    return jpeg_cell(np.asarray(photo({"bytes": png})), name, quality)


def photo(cell: Mapping[str, Any]) -> Image.Image:
    """The decoded colour picture.

    Raises:
        OSError: the bytes are not a picture.
    """
    return Image.open(io.BytesIO(cell["bytes"])).convert("RGB")


def values(cell: Mapping[str, Any]) -> Int[np.ndarray, "h w"]:
    """The numbers of a mask or a depth picture, as int32.

    Raises:
        OSError: the bytes are not a picture.
        ValueError: it has colours, so its numbers mean nothing.
    """
    picture = Image.open(io.BytesIO(cell["bytes"]))
    if len(picture.getbands()) != 1:
        raise ValueError(f"has {len(picture.getbands())} channels where one is expected")
    return np.asarray(picture).astype(np.int32)

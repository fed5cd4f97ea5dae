"""Crops with surfaces painted over them: what the network sees, and what is true."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tasks.mesh_painting import COLOURS, Faces, paint, shaded

SMALLEST = 256
"""Pixels; smaller crops are enlarged."""
_OPACITY = 0.85
_LIGHT = np.array([-0.32, -0.51, -0.8])
"""From the camera's upper left."""


class Drawn(NamedTuple):
    """One hand in a picture."""

    vertices: Float[np.ndarray, "v 3"]
    """Camera axes, one frame for both hands; how they lie decides shades and what covers what."""
    places: Float[np.ndarray, "v 2"]
    """Pixels of the crop."""
    faces: Int[np.ndarray, "f 3"]


def crop_picture(image: Float[Tensor, "3 s s"]) -> Image.Image:
    """A crop of 0 … 1 as a picture of at least `SMALLEST` pixels."""
    values = (image.detach().float().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    side = len(values) * -(-SMALLEST // len(values))
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


def painted_over(picture: Image.Image, hands: Sequence[Drawn], size: int) -> Image.Image:
    """A crop's picture with both hands (right, left) over it; `size` is the crop's own side, pixels."""
    layer = Image.new("RGB", picture.size)
    mask = Image.new("L", picture.size)
    surfaces = []
    for hand, colour in zip(hands, COLOURS, strict=True):
        corners = hand.vertices[hand.faces]
        places = hand.places[hand.faces] * (picture.width / size)
        surfaces.append(Faces(places, corners[..., 2].mean(1), shaded(corners, colour, _LIGHT)))
    paint(ImageDraw.Draw(layer), surfaces)
    everywhere = [
        surface._replace(colours=np.full((len(surface.depth), 1), round(255 * _OPACITY))) for surface in surfaces
    ]
    paint(ImageDraw.Draw(mask), everywhere)
    return Image.composite(layer, picture, mask)


def as_jpeg(picture: Image.Image) -> bytes:
    """Encoded."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def fitting(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The end of a name that is too long, which says more than its beginning."""
    if font.getlength(text) <= width:
        return text
    while font.getlength(f"…{text}") > width:
        text = text[1:]
    return f"…{text}"

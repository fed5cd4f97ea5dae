"""Predicted hands over the pictures that they were seen in: one JPEG a picture, and a sheet of what the network has seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont

from dataset.atomic import atomic_write
from hands.joints import Side
from tasks.transhand.pictures import Drawn, as_jpeg, fitting, painted_over
from tasks.transhand.prediction.cutting import Square

LONGEST = 1600
"""Pixels of an overlay's longer side, at most."""
MOST = 48
"""Pictures on a sheet."""
_SHARE = 0.75
"""Of the painted picture, which itself lets a little through."""
_FAR = 1e5
"""Pixels, beyond which no place is painted."""
_TILE, _ACROSS, _GAP, _CAPTION = 256, 6, 6, 20
_PAPER, _INK = (246, 245, 242), (32, 33, 36)


class Tile(NamedTuple):
    """One picture of a sheet."""

    caption: str
    overlay: Path
    square: Square
    """In pixels of the picture."""
    width: int
    """Of the picture, pixels; that of the overlay may be less."""


def reduced(picture: Image.Image) -> Image.Image:
    """A picture as large as its overlay will be."""
    copy = picture.copy()
    copy.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    return copy


def overlay(
    picture: Image.Image,
    vertices: Mapping[Side, Float[np.ndarray, "v 3"]],
    places: Mapping[Side, Float[np.ndarray, "v 2"]],
    faces: Mapping[Side, Int[np.ndarray, "f 3"]],
) -> Image.Image:
    """Both hands over a picture, which shines through.

    Args:
        picture: RGB.
        vertices: camera axes, one frame for both hands: how they lie decides shades and what covers what.
        places: of the vertices, pixels of `picture`.
        faces: triangles.
    """
    drawn = [Drawn(vertices[side], places[side].clip(-_FAR, _FAR), faces[side]) for side in Side]
    return Image.blend(picture, painted_over(picture, drawn, picture.width), _SHARE)


def write_sheet(file: Path, tiles: Sequence[Tile]) -> None:
    """The squares that the network has seen, cut out of the overlays.

    Raises:
        InputError: the file cannot be written.
    """
    across = min(_ACROSS, len(tiles))
    step = _TILE + _GAP, _TILE + _CAPTION + _GAP
    sheet = Image.new("RGB", (_GAP + across * step[0], _GAP + -(-len(tiles) // across) * step[1]), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, tile in enumerate(tiles):
        x, y = (_GAP + place * length for place, length in zip((number % across, number // across), step, strict=True))
        sheet.paste(_square(tile), (x, y))
        pen.text((x + 2, y + _TILE + 2), fitting(tile.caption, font, _TILE), fill=_INK, font=font)
    atomic_write(file, as_jpeg(sheet))


def _square(tile: Tile) -> Image.Image:
    with Image.open(tile.overlay) as picture:
        x, y, side, _ = (value * picture.width / tile.width for value in tile.square.box)
        return picture.crop(tuple(map(round, (x, y, x + side, y + side)))).resize((_TILE, _TILE))

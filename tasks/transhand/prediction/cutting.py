"""The square about both hands, cut out of one picture of any size exactly as the loader cuts those of a dataset.

What is not near the square is not touched, and a picture that shrinks by more than the loader averages over is averaged before.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from dataset.training.resample import resampled
from dataset.training.similarity import square_crop
from dataset.training.turned import unit_range

Box = tuple[float, float, float, float]
"""x, y, width, height; pixels, pixel (0, 0) covering [0, 1)²."""
_AVERAGED = 4
"""Pixels over which `resampled` averages at most."""
_BLOCK = 12
"""Pixels: blocks of 2, 3 and 4 begin at its multiples, in a part of the picture as in the whole."""


class Crops(NamedTuple):
    """Squares of b pictures as the network takes them."""

    image: Float[Tensor, "b 3 s s"]
    """RGB, 0 to 1."""
    matrix: Float[Tensor, "b 2 3"]
    """From pixels of the pictures to pixels of the squares."""

    @staticmethod
    def joined(crops: "list[Crops]") -> "Crops":
        """One batch of several."""
        return Crops(*map(torch.cat, zip(*crops, strict=True)))


class Square(NamedTuple):
    """What is cut out of a picture, pixels; it may reach beyond the borders."""

    x: float
    """Of its middle."""
    y: float
    side: float

    @property
    def box(self) -> Box:
        """The same as a box."""
        return self.x - self.side / 2, self.y - self.side / 2, self.side, self.side


def square_of(box: Box | None, size: tuple[int, int], fill: float) -> Square:
    """The square of which a box around both hands takes the share `fill`; without a box, the largest amid the picture.

    Args:
        size: width and height of the picture, pixels.
    """
    if box is None:
        return Square(size[0] / 2, size[1] / 2, min(size))
    x, y, width, height = box
    return Square(x + width / 2, y + height / 2, max(width, height) / fill)


def cut(picture: Image.Image, square: Square, size: int) -> Crops:
    """One picture's square (RGB) as `size` × `size` pixels, black beyond the picture's borders.

    The square's middle lies in the picture.
    """
    factor = max(1, math.ceil(square.side / size / _AVERAGED))
    part = _around(picture.size, square, _BLOCK * factor)
    pixels = picture.reduce(factor, part) if factor > 1 else picture.crop(part)
    within = Square((square.x - part[0]) / factor, (square.y - part[1]) / factor, square.side / factor)
    image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    return Crops(resampled(unit_range(image), _matrix(within, size), size), _matrix(square, size))


def _around(size: tuple[int, int], square: Square, block: int) -> tuple[int, int, int, int]:
    """Left, upper, right and lower border of a part of the picture that has all of the square and a little more."""
    reach = square.side / 2 + block
    left, top = (max(0, math.floor((middle - reach) / block)) * block for middle in square[:2])
    right, bottom = (min(edge, math.ceil(middle + reach)) for edge, middle in zip(size, square[:2], strict=True))
    return left, top, right, bottom


def _matrix(square: Square, size: int) -> Float[Tensor, "1 2 3"]:
    centre, side = torch.tensor([square[:2]]), torch.tensor([square.side])
    return square_crop(centre.float(), side.float(), torch.zeros(1), torch.zeros(1, dtype=torch.bool), size)

"""Changes of colour: one matrix and offset a picture, so that all of them together cost one product.

A picture is first lit (a factor), then its contrast and saturation are stretched about its mean grey and about each pixel's
grey, then its hues are turned about the grey axis. Grey is the luma of ITU-R BT.601.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hands.rotations import axis_angle_to_matrix

_LUMA = (0.299, 0.587, 0.114)


class ColourChange(NamedTuple):
    """Of b pictures; (1, 1, 1, 0) changes nothing."""

    brightness: Float[Tensor, "b"]
    contrast: Float[Tensor, "b"]
    saturation: Float[Tensor, "b"]
    hue: Float[Tensor, "b"]
    """Radians."""


def recoloured(pictures: Float[Tensor, "b 3 h w"], change: ColourChange) -> Float[Tensor, "b 3 h w"]:
    """Pictures of values 0 to 1 with other colours, cut to 0 to 1 again."""
    brightness, contrast, saturation, hue = change
    luma = pictures.new_tensor(_LUMA)
    stretched = _saturation(saturation, luma) * (brightness * contrast)[:, None, None]
    matrix = _hue_turn(hue) @ stretched
    values = pictures.flatten(2)
    mean = values.mean(-1) @ luma * brightness
    offset = ((1 - contrast) * mean)[:, None, None].expand(-1, 3, 1)
    return torch.baddbmm(offset, matrix, values).clamp_(0, 1).unflatten(2, pictures.shape[2:])


def _saturation(factor: Float[Tensor, "b"], luma: Float[Tensor, "3"]) -> Float[Tensor, "b 3 3"]:
    eye, grey = torch.eye(3, dtype=luma.dtype, device=luma.device), luma.expand(3, 3)
    return factor[:, None, None] * eye + (1 - factor)[:, None, None] * grey


def _hue_turn(angle: Float[Tensor, "b"]) -> Float[Tensor, "b 3 3"]:
    """Turns red towards green; greys stay."""
    return axis_angle_to_matrix(angle[:, None].expand(-1, 3) / 3**0.5)

"""Similarities of the picture plane: turns, scalings, shifts and mirrorings as 2 × 3 matrices, from pixels to pixels.

A turn of the picture by a matrix of this kind is what a camera turned about its optical axis sees, with other intrinsics;
a mirroring is what it sees of a mirrored scene. Pixel (0, 0) covers [0, 1) × [0, 1), as everywhere here.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Parts(NamedTuple):
    """What a similarity is made of."""

    scale: Float[Tensor, "b"]
    """Pixels of the new picture for one of the old."""
    turn: Float[Tensor, "b 3 3"]
    """What the camera frame undergoes: a rotation about z, after a mirroring in x where `mirrored`."""
    mirrored: Bool[Tensor, "b"]


def parts(matrix: Float[Tensor, "b 2 3"]) -> Parts:
    """Scale, turn and whether it mirrors."""
    linear = matrix[:, :, :2]
    determinant = torch.linalg.det(linear)
    scale = determinant.abs().sqrt()
    turn = torch.eye(3, dtype=matrix.dtype, device=matrix.device).repeat(len(matrix), 1, 1)
    turn[:, :2, :2] = linear / scale[:, None, None]
    return Parts(scale, turn, determinant < 0)


def square_crop(
    centre: Float[Tensor, "b 2"],
    side: Float[Tensor, "b"],
    angle: Float[Tensor, "b"],
    mirrored: Bool[Tensor, "b"],
    size: int,
) -> Float[Tensor, "b 2 3"]:
    """Brings the square of that centre and side (pixels), mirrored in x, then turned by `angle` (radians, from x to y),
    to a picture of `size` × `size`.
    """
    cosine, sine = angle.cos(), angle.sin()
    sign = torch.where(mirrored, -1.0, 1.0).to(centre)
    rows = torch.stack([cosine * sign, -sine, sine * sign, cosine], dim=-1).unflatten(-1, (2, 2))
    linear = rows * (size / side)[:, None, None]
    shift = size / 2 - torch.einsum("bij,bj->bi", linear, centre)
    return torch.cat([linear, shift[..., None]], dim=-1)


def moved(points: Float[Tensor, "b n 2"], matrix: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b n 2"]:
    """Points of the old picture in the new one, pixels."""
    return torch.einsum("bij,bnj->bni", matrix[:, :, :2], points) + matrix[:, None, :, 2]


def inverse(matrix: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 2 3"]:
    """From the new picture to the old one."""
    linear = torch.linalg.inv(matrix[:, :, :2])
    return torch.cat([linear, -linear @ matrix[:, :, 2:]], dim=-1)

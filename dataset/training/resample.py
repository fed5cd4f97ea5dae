"""Pictures resampled by a similarity."""

import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional

from dataset.training.similarity import inverse, parts

_MAX_POOL = 4


def resampled(
    pictures: Float[Tensor, "b c h w"], matrix: Float[Tensor, "b 2 3"], size: int
) -> Float[Tensor, "b c {size} {size}"]:
    """Bilinear, black beyond the border. A picture that shrinks is averaged over 2 × 2 to 4 × 4 pixels before."""
    pools = (1 / parts(matrix).scale).round().clamp(1, _MAX_POOL).long()
    result = pictures.new_empty(len(pictures), pictures.shape[1], size, size)
    for pool in pools.unique().tolist():
        rows = (pools == pool).nonzero()[:, 0]
        coarse = functional.avg_pool2d(pictures[rows], pool, ceil_mode=True) if pool > 1 else pictures[rows]
        grid = _grid(coarse, matrix[rows] * matrix.new_tensor([pool, pool, 1]), size)
        result[rows] = functional.grid_sample(coarse, grid, padding_mode="zeros", align_corners=False)
    return result


def resampled_numbers(
    masks: Num[Tensor, "b h w"], matrix: Float[Tensor, "b 2 3"], size: int
) -> Num[Tensor, "b {size} {size}"]:
    """The number of the pixel in which a new pixel's centre lies; 0 beyond the border."""
    grid = _grid(masks, matrix, size)
    values = functional.grid_sample(masks[:, None].float(), grid, mode="nearest", align_corners=False)[:, 0]
    return values.to(masks.dtype)


def _grid(
    pictures: Num[Tensor, "b *c h w"], matrix: Float[Tensor, "b 2 3"], size: int
) -> Float[Tensor, "b {size} {size} 2"]:
    """Where the new pixels' centres lie in the old picture, −1 and 1 being its borders."""
    old, places = inverse(matrix), torch.arange(size, device=matrix.device, dtype=matrix.dtype) + 0.5
    to_borders = 2 / old.new_tensor([pictures.shape[-1], pictures.shape[-2]])
    across, down, first = (old * to_borders[:, None]).unbind(-1)
    rows = first[:, None] - 1 + down[:, None] * places[:, None]
    return rows[:, :, None] + across[:, None, None] * places[:, None]

"""Label pictures under a similarity, and what is counted in them."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from dataset.errors import InputError
from dataset.training.batch import ImageBatch
from dataset.training.resample import resampled_numbers
from hands.joints import Side

Masks = dict[str, Num[Tensor, "b h w"]]

_SWAPS = {"mask_hands": (0, 2, 1), "mask_parts": (0, *range(17, 33), *range(1, 17), 34, 33)}
"""What a number becomes where right and left change places."""
_AMODAL = ("mask_right_amodal", "mask_left_amodal")


def turned_masks(
    masks: Masks, matrix: Float[Tensor, "b 2 3"], mirrored: Bool[Tensor, "b"], size: int
) -> dict[str, Num[Tensor, "b {size} {size}"]]:
    """The label pictures in the new pictures; where `mirrored`, right and left change places in them.

    Raises:
        InputError: one amodal mask is carried without the other, which takes its place.
    """
    new = {name: resampled_numbers(mask, matrix, size) for name, mask in masks.items()}
    where = mirrored[:, None, None]
    for name in _SWAPS.keys() & new.keys():
        new[name] = torch.where(where, new[name].new_tensor(_SWAPS[name])[new[name].long()], new[name])
    carried = [new[name] for name in _AMODAL if name in new]
    if len(carried) == 1:
        raise InputError(
            "one amodal mask is loaded without the other, whose place it takes in a mirrored picture; load both"
        )
    for name, own, other in zip(_AMODAL, carried, carried[::-1], strict=False):
        new[name] = torch.where(where, other, own)
    return new


def with_visible_fractions(batch: ImageBatch) -> ImageBatch:
    """Visible over amodal pixels, counted anew where the masks for it are carried."""
    if not {"mask_hands", *_AMODAL} <= batch.masks.keys():
        return batch
    counted = {}
    for number, (side, amodal) in enumerate(zip(Side, _AMODAL, strict=True), 1):
        visible = (batch.masks["mask_hands"] == number).flatten(1).sum(1)
        whole = (batch.masks[amodal] > 0).flatten(1).sum(1)
        counted[str(side)] = replace(batch.hand(side), visible_fraction=visible / whole.clamp_min(1))
    return replace(batch, **counted)

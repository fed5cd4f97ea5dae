"""Boxes (x, y, width, height) of hands in pictures, pixels; zeros for a hand that the picture does not show."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.training.batch import HandTargets, ImageBatch
from dataset.training.similarity import moved
from hands.joints import Side
from hands.model import HandModel


def enclosing_box(box: Float[Tensor, "b 4"], matrix: Float[Tensor, "b 2 3"], size: int) -> Float[Tensor, "b 4"]:
    """The smallest box around a box that was turned by a similarity, inside a picture of `size` × `size`."""
    x, y, width, height = box.unbind(-1)
    corners = torch.stack([torch.stack([x + i * width, y + j * height], -1) for i in (0, 1) for j in (0, 1)], dim=1)
    return _around(moved(corners, matrix), size)


def with_boxes(batch: ImageBatch, hands: Mapping[Side, HandModel]) -> ImageBatch:
    """Boxes no larger than the projected vertices of the hand layer; unchanged for hands whose parameters are unknown."""
    return replace(
        batch,
        **{str(side): _tight(batch.hand(side), batch.K, model, batch.image.shape[-1]) for side, model in hands.items()},
    )


def _tight(hand: HandTargets, K: Float[Tensor, "b 3 3"], model: HandModel, size: int) -> HandTargets:
    with torch.no_grad():
        projected = hand.pose.pose(model).vertices @ K.mT
    outline = _around(projected[..., :2] / projected[..., 2:], size)
    known = projected.isfinite().flatten(1).all(1, keepdim=True)
    return replace(hand, bbox=torch.where(known, _common(hand.bbox, outline), hand.bbox))


def _around(points: Float[Tensor, "b n 2"], size: int) -> Float[Tensor, "b 4"]:
    low, high = points.amin(1).clamp(0, size), points.amax(1).clamp(0, size)
    return _box(low, high)


def _common(one: Float[Tensor, "b 4"], other: Float[Tensor, "b 4"]) -> Float[Tensor, "b 4"]:
    low = torch.maximum(one[:, :2], other[:, :2])
    high = torch.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    return _box(low, high)


def _box(low: Float[Tensor, "b 2"], high: Float[Tensor, "b 2"]) -> Float[Tensor, "b 4"]:
    box = torch.cat([low, high - low], dim=-1)
    return torch.where((high > low).all(-1, keepdim=True), box, torch.zeros_like(box))

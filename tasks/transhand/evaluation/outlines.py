"""How much one hand covers the other: the overlap of both hands' whole outlines, from masks or drawn from their surfaces."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image, ImageDraw
from torch import Tensor

from dataset.training.batch import ImageBatch
from hands.joints import Side
from hands.model import HandModel
from models.two_hand_metrics.measuring import TwoHands
from models.two_hand_metrics.occlusion import mask_iou

MASKS = tuple(f"mask_{side}_amodal" for side in Side)
_FINER = 5
"""Pixels that are drawn along one of the picture, of which the middle counts: Pillow widens what it fills by half a pixel."""
_NEAR = 0.02
"""Metres before the camera within which a surface is not drawn."""


def occlusion(batch: ImageBatch, hands: TwoHands, models: Mapping[Side, HandModel]) -> Float[Tensor, "b"]:
    """IoU of both hands' amodal masks where the batch carries them, else of their outlines as the camera sees them.

    No number where neither hand is in the image, and where a surface that would have to be drawn is not known.
    """
    if all(name in batch.masks for name in MASKS):
        return mask_iou(*(batch.masks[name] > 0 for name in MASKS))
    rows = [_drawn(*row, batch, models) for row in zip(hands.right.vertices, hands.left.vertices, batch.K, strict=True)]
    return torch.stack(rows).to(batch.K.device)


def _drawn(
    right: Float[Tensor, "v 3"],
    left: Float[Tensor, "u 3"],
    K: Float[Tensor, "3 3"],
    batch: ImageBatch,
    models: Mapping[Side, HandModel],
) -> Float[Tensor, ""]:
    surfaces = dict(zip(Side, (right, left), strict=True))
    if not all((surface[:, 2] > _NEAR).all() for surface in surfaces.values()):  # NaN neither
        return torch.tensor(torch.nan, dtype=torch.float64)
    size = batch.image.shape[-1], batch.image.shape[-2]
    masks = [outline(surface @ K.mT, models[side].faces, size) for side, surface in surfaces.items()]
    return mask_iou(*(torch.from_numpy(mask)[None] for mask in masks))[0]


def outline(
    projected: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"], size: tuple[int, int]
) -> Bool[np.ndarray, "h w"]:
    """The pixels of (width, height) that a surface covers: K · vertices (homogeneous pixels, all before the camera)."""
    pixels = _FINER * (projected[:, :2] / projected[:, 2:]).cpu().numpy() - 0.5  # centres of Pillow's pixels are whole
    drawing = Image.new("1", (_FINER * size[0], _FINER * size[1]))
    pen = ImageDraw.Draw(drawing)
    for triangle in pixels[faces.cpu().numpy()].reshape(len(faces), 6).tolist():
        pen.polygon(triangle, fill=1)
    return np.array(drawing)[_FINER // 2 :: _FINER, _FINER // 2 :: _FINER]

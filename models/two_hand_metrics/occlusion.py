"""How much of one hand lies behind the other in an image, and the classes by which the field tells errors apart.

RenderIH §5.2 and Fig. 11, after DIGIT (3DV 2021): the intersection over union of both hands' whole (amodal) masks. The limits
are those of the authors' scripts, apps/eval_interhand_newmpjpe.py and apps/eval_tzionas.py of github.com/adwardlee/RenderIH.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Bins:
    """Classes of images by IoU; one more label than limits."""

    limits: tuple[float, ...]
    """Ascending; each is the lowest IoU of the class that begins there."""
    labels: tuple[str, ...]

    def of(self, iou: Float[Tensor, "b"]) -> Int[Tensor, "b"]:
        """Number of the class of each image; -1 where the IoU is no number."""
        limits = torch.tensor(self.limits, dtype=torch.float64, device=iou.device)
        return torch.where(iou.isnan(), -1, torch.bucketize(iou.double(), limits, right=True))


_ANY_OVERLAP = 1e-12
"""Less than a pixel of the largest picture."""
BINS = {
    "interhand": Bins((0.33, 0.67), ("[0, 0.33)", "[0.33, 0.67)", "[0.67, 1]")),
    "tzionas": Bins((_ANY_OVERLAP, 0.2, 0.4), ("0", "(0, 0.2)", "[0.2, 0.4)", "[0.4, 1]")),
}
"""By the data set whose figures are told so."""


def mask_iou(right: Bool[Tensor, "b h w"], left: Bool[Tensor, "b h w"]) -> Float[Tensor, "b"]:
    """Intersection over union of two masks, float64; no number where neither hand is in the image."""
    both, either = ((right & left).sum((1, 2)), (right | left).sum((1, 2)))
    return both.double() / either

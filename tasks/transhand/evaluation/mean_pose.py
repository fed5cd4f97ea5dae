"""The baseline that does not look at the image: the mean of the hands that were there to learn from.

It is about the best that a network can do which ignores its input: exactly so for squared distances, of which the mean is
the minimum, and nearly for distances themselves. A method that is not clearly better has learnt nothing from images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.errors import InputError
from dataset.training.batch import ImageBatch
from dataset.training.epoch_batches import EpochBatches
from hands.joints import Side
from models.two_hand_metrics.alignment import MIDDLE_MCP, relative
from models.two_hand_metrics.measuring import HandPoints
from tasks.transhand.evaluation.truth import Bodies

LEARNT = 20_000
"""Images from which the mean is taken, at most: it is then within half a millimetre of the mean of any number."""


@dataclass(frozen=True, eq=False)
class MeanPose:
    """The same two hands for every image."""

    surfaces: dict[Side, Float[Tensor, "v 3"]]
    """Metres, axes of the camera, the left hand's middle MCP as origin."""

    def __call__(self, batch: ImageBatch) -> dict[Side, Float[Tensor, "b v 3"]]:
        """See `methods.Predict`."""
        return {side: surface.expand(len(batch), -1, -1) for side, surface in self.surfaces.items()}


@torch.no_grad()
def mean_pose(
    images: EpochBatches, bodies: Bodies, device: str = "cpu", on_images: Callable[[int], None] = lambda count: None
) -> MeanPose:
    """The mean surface of each hand as seen from its middle MCP, the right one moved by the mean way from left to right MCP.

    Args:
        images: to learn from. Hands that are not known are passed over.
        bodies: give the surfaces, on `device`.
        device: where to compute.
        on_images: hears how many images were just read.

    Raises:
        InputError: no image has two hands whose surfaces are known.
    """
    sums = {"right": _Mean(), "left": _Mean(), "apart": _Mean()}
    for batch in images.batches(0, range(len(images))):
        hands = bodies.true_hands(batch.to(device))
        for side in Side:
            sums[side].add(_own(getattr(hands, side)))
        sums["apart"].add((hands.right.joints - hands.left.joints)[:, MIDDLE_MCP, None])
        on_images(len(batch))
    if not all(mean.count for mean in sums.values()):
        raise InputError("the images to learn from have no two hands with known surfaces, so there is no mean of them")
    right, left, apart = (mean.value for mean in sums.values())
    like = bodies.models[Side.RIGHT].v_template
    return MeanPose({Side.RIGHT: (right + apart).to(like), Side.LEFT: left.to(like)})


def _own(hand: HandPoints) -> Float[Tensor, "b v 3"]:
    return relative(hand.vertices, hand.joints[:, MIDDLE_MCP])


class _Mean:
    """Of those that are known, float64."""

    def __init__(self) -> None:
        self._total, self.count = 0.0, 0

    def add(self, points: Float[Tensor, "b n 3"]) -> None:
        known = points[~points.isnan().flatten(1).any(1)].double()
        self._total, self.count = self._total + known.sum(0), self.count + len(known)

    @property
    def value(self) -> Float[Tensor, "n 3"]:
        return self._total / self.count

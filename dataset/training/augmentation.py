"""What a network is shown of a batch: hands cut out, and for training turned, scaled, mirrored and recoloured at random.

Ranges of the geometry are those of TransHand's training (RenderIH, ICCV 2023, released settings): turns to ±90°, scales of
0.9 to 1.1, every second picture mirrored, hands filling 0.8 of the crop.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dataset.errors import InputError
from dataset.training.batch import ImageBatch
from dataset.training.colour import ColourChange, recoloured
from dataset.training.similarity import square_crop
from dataset.training.turned import turned, unit_range
from hands.joints import Side
from hands.model import HandModel


@dataclass(frozen=True)
class Augmentation:
    """Ranges from which each picture draws; `Augmentation.none()` only cuts out the hands."""

    size: int = 256
    """Side of the new pictures, pixels."""
    fill: float = 0.8
    """Share of the crop's side that both hands' box takes, before scaling."""
    rotation: float = math.pi / 2
    """Largest turn to either side, radians."""
    scale: float = 0.1
    """Largest change of size: factors of 1 ± this."""
    shift: float = 0.0
    """Largest shift in x and in y, in sides of the crop."""
    flip: float = 0.5
    """Share of pictures that are mirrored."""
    brightness: float = 0.2
    """Factors of 1 ± this, and so for the next two."""
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.1
    """Largest turn of hues to either side, radians."""

    def __post_init__(self) -> None:
        for name in ("scale", "flip", "brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a share from 0 to 1")
        if self.size < 1 or not self.fill > 0 or self.scale == 1:
            raise InputError("a crop needs a size, a fill above 0 and a scale below 1")

    @property
    def recolours(self) -> bool:
        """Whether colours change at all."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))

    @classmethod
    def none(cls, size: int = 256, fill: float = 0.8) -> "Augmentation":
        """No randomness: for evaluation."""
        still = dict.fromkeys(
            ("rotation", "scale", "shift", "flip", "brightness", "contrast", "saturation", "hue"), 0.0
        )
        return cls(size, fill, **still)


@dataclass(frozen=True, eq=False)
class Draws:
    """What b pictures drew."""

    angle: Float[Tensor, "b"]
    scale: Float[Tensor, "b"]
    shift: Float[Tensor, "b 2"]
    mirrored: Bool[Tensor, "b"]
    colours: ColourChange


def draw(ranges: Augmentation, count: int, generator: torch.Generator, device: str | torch.device = "cpu") -> Draws:
    """Draw for `count` pictures. The generator's own device draws, so that a seed means the same for every `device`."""
    uniform = 2 * torch.rand(9, count, generator=generator, device=generator.device).to(device) - 1
    factor = lambda extent, number: 1 + extent * uniform[number]  # noqa: E731
    return Draws(
        angle=ranges.rotation * uniform[0],
        scale=factor(ranges.scale, 1),
        shift=ranges.shift * uniform[2:4].T,
        mirrored=(uniform[4] + 1) / 2 < ranges.flip,
        colours=ColourChange(
            factor(ranges.brightness, 5),
            factor(ranges.contrast, 6),
            factor(ranges.saturation, 7),
            ranges.hue * uniform[8],
        ),
    )


def augmented(
    batch: ImageBatch, ranges: Augmentation, generator: torch.Generator, hands: Mapping[Side, HandModel] | None = None
) -> ImageBatch:
    """A batch on any device as `ranges` and the generator say; labels follow the pictures, see `turned`.

    Args:
        batch: as a loader gives it.
        ranges: how much.
        generator: the only source of chance; its device need not be the batch's.
        hands: hand layers on the batch's device, for tight boxes.
    """
    drawn = draw(ranges, len(batch), generator, batch.image.device)
    if ranges.recolours:  # before the turn, so that what lies beyond the borders stays black
        pixels = unit_range(batch.image)
        beyond = (pixels == 0).all(1, keepdim=True)  # squares of recorded images may reach over the borders already
        batch = replace(batch, image=recoloured(pixels, drawn.colours).masked_fill_(beyond, 0))
    return turned(batch, crop(batch, ranges, drawn), ranges.size, hands)


def crop(batch: ImageBatch, ranges: Augmentation, drawn: Draws) -> Float[Tensor, "b 2 3"]:
    """The similarities that were drawn: around the box of both hands, or the whole picture where it shows none."""
    low, high = _both_hands(batch)
    side = (high - low).amax(-1) / ranges.fill / drawn.scale
    centre = (low + high) / 2 - drawn.shift * side[:, None]
    return square_crop(centre, side, drawn.angle, drawn.mirrored, ranges.size)


def _both_hands(batch: ImageBatch) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b 2"]]:
    """Upper left and lower right corner of the box around both boxes."""
    whole = batch.K.new_tensor([0, 0, *batch.image.shape[:1:-1]])
    boxes = torch.stack([batch.right.bbox, batch.left.bbox], dim=1)
    there = (boxes[..., 2:] > 0).all(-1, keepdim=True)
    low = torch.where(there, boxes[..., :2], torch.inf).amin(1)
    high = torch.where(there, boxes[..., :2] + boxes[..., 2:], -torch.inf).amax(1)
    shown = there.any(1)
    return torch.where(shown, low, whole[:2]), torch.where(shown, high, whole[2:])

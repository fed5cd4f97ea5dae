"""The images that methods are judged on, batch by batch, with their true hands and how much one hand covers the other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.errors import InputError
from dataset.recorded_images.recorded_images import RecordedImages
from dataset.training.batch import HandTargets, ImageBatch
from dataset.training.batching import Batching
from dataset.training.epoch_batches import EpochBatches
from dataset.training.image_batches import ImageBatches
from dataset.training.portion import Portion
from hands.joints import Side
from hands.model import HandModel
from models.two_hand_metrics.measuring import HandPoints, TwoHands
from models.two_hand_metrics.surface_joints import surface_joints, surface_regressor
from tasks.transhand.evaluation.outlines import MASKS, occlusion
from tasks.transhand.images import kind_and_folder, recording_of, subset_of

BATCH = 32
"""Images at once; decides nothing."""


class TruthBatch(NamedTuple):
    """Images and what is true of them."""

    images: ImageBatch
    hands: TwoHands
    """Metres, camera frame."""
    iou: Float[Tensor, "b"]
    """See `outlines.occlusion`."""


@dataclass(frozen=True, eq=False)
class Bodies:
    """Both hand models, and what tells joints from their surfaces, on one device."""

    models: dict[Side, HandModel]
    regressors: dict[Side, Float[Tensor, "16 v"]]

    @staticmethod
    def of(hands: Mapping[Side, HandModel], device: str = "cpu") -> "Bodies":
        """Copies of the models there."""
        moved = {side: HandModel(model.arrays).to(device) for side, model in hands.items()}
        return Bodies(moved, {side: surface_regressor(m.arrays).to(m.v_template) for side, m in moved.items()})

    def points(self, side: Side, vertices: Float[Tensor, "b v 3"]) -> HandPoints:
        """A surface with its joints, in whatever frame it is, metres."""
        tips = self.models[side].arrays.tips
        return HandPoints(surface_joints(vertices, self.regressors[side].to(vertices), tips), vertices)

    def two_hands(self, surfaces: Mapping[Side, Float[Tensor, "b v 3"]]) -> TwoHands:
        """Both surfaces with their joints."""
        return TwoHands(**{side.value: self.points(side, surfaces[side]) for side in Side})

    def true_hands(self, batch: ImageBatch) -> TwoHands:
        """What the labels say: surfaces and their joints, or joints as labelled where no surface is known (NaN)."""
        return TwoHands(**{side.value: self._true(side, batch.hand(side)) for side in Side})

    def _true(self, side: Side, hand: HandTargets) -> HandPoints:
        points = self.points(side, hand.pose.pose(self.models[side]).vertices)
        unknown = points.joints.isnan().flatten(1).any(1)[:, None, None]
        return HandPoints(torch.where(unknown, hand.joints_3d, points.joints), points.vertices)


@dataclass(frozen=True)
class Wanted:
    """Which images."""

    place: str
    """A dataset's folder, or KIND=PATH of recorded images."""
    split: str
    subset: str = ""
    """Of recorded images; empty: the split's, or else the kind's first."""
    most: int = 0
    """At most so many, see `dataset.training.portion`; 0: all."""
    size: tuple[int, int] | None = None
    """(width, height) to which a dataset's images are resized, for one of several sizes."""


def open_images(wanted: Wanted, hands: dict[Side, HandModel], kept_in: Path, masks: bool = True) -> EpochBatches:
    """Images in the order in which they are stored; few are in memory at a time.

    Args:
        wanted: which.
        hands: the hand model of their labels.
        kept_in: a folder for what is read of recorded images.
        masks: whether both hands' amodal masks are needed where there are any.

    Raises:
        InputError: no such images, or images of several sizes and no `size`.
    """
    batching, portion = Batching(BATCH, shuffle=False, window=1, lanes=1), Portion(most=wanted.most)
    kind, path = kind_and_folder(wanted.place)
    if kind:
        subset = wanted.subset or subset_of(kind, wanted.split)
        return RecordedImages(recording_of(kind, Path(path), subset, hands, kept_in), batching, portion=portion)
    if wanted.subset:
        raise InputError(f"{wanted.place}: only recorded images have subsets; leave out --subset {wanted.subset}")
    return ImageBatches(Path(path), wanted.split, batching, MASKS if masks else (), wanted.size, portion)


@torch.no_grad()
def truth_batches(images: EpochBatches, bodies: Bodies, device: str = "cpu") -> Iterator[TruthBatch]:
    """What a method is judged on, a batch at a time.

    Raises:
        InputError: a shard or a picture is damaged.
    """
    for loaded in images.batches(0, range(len(images))):
        batch = loaded.to(device)
        hands = bodies.true_hands(batch)
        yield TruthBatch(batch, hands, occlusion(batch, hands, bodies.models))

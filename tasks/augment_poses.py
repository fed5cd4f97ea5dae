"""Variations of raw poses."""

from dataclasses import fields, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from hands.augment import augment, place_anew, reshape_people
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose
from tasks.collect_poses import PoseBatch
from tasks.run import Run
from tasks.step import step


@step
def augment_poses(run: Run, batch: PoseBatch) -> PoseBatch:
    """Every copy but number 0 is varied (Eq. 1) and placed anew; every one gets its own person's hand shape."""
    config, seed = run.config.augmentation, run.config.seed
    varied = augment(batch.poses, batch.names, run.hands, config, seed)
    varied = place_anew(varied, batch.names, run.hands, config, seed)
    is_base = torch.tensor([copy == 0 for copy in batch.copies])
    mixed = TwoHandPose(*(_where(is_base, batch.poses.side(side), varied.side(side)) for side in Side))
    return replace(batch, poses=reshape_people(mixed, batch.names, run.hands, config, seed))


def _where(first: Bool[Tensor, "b"], one: HandPose, other: HandPose) -> HandPose:
    pick = lambda name: torch.where(first[:, None], getattr(one, name), getattr(other, name))  # noqa: E731
    return HandPose(*(pick(field.name) for field in fields(HandPose)))

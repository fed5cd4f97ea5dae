"""Variations of raw poses."""

from dataclasses import replace

import torch

from hands.augment import augment, reshape_people
from hands.pose import TwoHandPose
from tasks.collect_poses import PoseBatch
from tasks.run import Run
from tasks.step import step


@step
def augment_poses(run: Run, batch: PoseBatch) -> PoseBatch:
    """Every copy but number 0 gets joint offsets (Eq. 1); every one gets its own person's hand shape."""
    config, seed = run.config.augmentation, run.config.seed
    varied = augment(batch.poses, batch.names, run.hands, config, seed)
    is_base = torch.tensor([copy == 0 for copy in batch.copies])[:, None]
    mixed = TwoHandPose(
        *(
            replace(new, hand_pose=torch.where(is_base, raw.hand_pose, new.hand_pose))
            for raw, new in ((batch.poses.right, varied.right), (batch.poses.left, varied.left))
        )
    )
    return replace(batch, poses=reshape_people(mixed, batch.names, run.hands, config, seed))

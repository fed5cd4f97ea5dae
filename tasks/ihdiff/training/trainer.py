"""Trains IHDiff or its VAE baseline in this process, as torchrun starts it: the contract of docs/training-jobs.md.

python -m tasks.ihdiff.training.trainer --dataset PLACE --out DIR --batch-scale 1 [--config FILE] [--set KEY=VALUE]…
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.assets.hand_files import hand_checksum, load_hands
from dataset.atomic import explained
from dataset.errors import InputError
from dataset.splits import SPLITS
from dataset.versions import code_version
from hands.joints import Side
from hands.model import HandModel
from hands.pose import mirrored_hands
from hands.ray_collision import RayCollision
from models.ihdiff.learning import Batch
from models.ihdiff.losses import Offsets
from models.ihdiff.representation import Standard, pack
from tasks.ihdiff.contacting_poses import ContactingPoses, read_contacting_poses, spread
from tasks.ihdiff.training.config import DataConfig, IHDiffTraining, load_training
from tasks.ihdiff.training.learner import Batches, Learner, LearningData
from tasks.ihdiff.training.looking import look
from tasks.lightning_training.places import place
from tasks.lightning_training.reporting import Reports
from tasks.lightning_training.running import fit, run_trainer, step_of


def train(config: IHDiffTraining, source: str, out: Path, parts: int = 1, resumed: Path | None = None) -> None:
    """Train in this process, one of as many as torchrun has started.

    Args:
        source: what to learn from, see `read_contacting_poses`.
        parts: in how many pieces a batch lies on a device, one after the other.
        resumed: checkpoint to go on from.

    Raises:
        InputError: no poses to learn from, or fewer in a step than devices.
    """
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    data, notes = learning_data(config, source)
    rank, devices = place()
    if (batch := min(config.optimiser.batch, len(data.train.x))) < devices:
        raise InputError(f"a step has {batch} hand pairs for {devices} devices; raise optimiser.batch or take fewer")
    learner = Learner(config, data, collisions(config, data.hands))
    reports = Reports(out, look, notes | {"model": config.model, "config": config.model_dump(mode="json")})
    first = step_of(resumed) if resumed else 0
    fit(learner, Batches(data.train, config, first, rank, devices, parts), reports, resumed)


def learning_data(config: IHDiffTraining, place: str) -> tuple[LearningData, dict[str, Any]]:
    """The poses in memory as the network sees them, and what a card says of them.

    Raises:
        InputError: there are none to learn from.
    """
    wish = config.data
    hands = load_hands(wish.mano)
    poses = read_contacting_poses(place, hands, wish.within_mm, wish.subset, wish.most)
    splits = {split: poses.of(split) for split in SPLITS}
    if not len(splits["train"]):
        raise InputError(f"{place}: has no poses of the split 'train' to learn from")
    train = _batch(splits["train"], hands, wish)
    held = splits["validation"][spread(len(splits["validation"]), config.report.validation_poses)]
    validation = _batch(held, hands, wish.model_copy(update={"mirror": False})) if len(held) else None
    standard = Standard.of(train.x) if wish.standardise else Standard()
    notes = {
        "data": poses.about,
        "data_sha256": poses.sha256,
        "poses": {split: len(part) for split, part in splits.items()},
        "hands": hand_checksum(hands),
        "code_version": code_version(),
    }
    return LearningData(train, validation, standard, hands), notes


def _batch(poses: ContactingPoses, hands: dict[Side, HandModel], wish: DataConfig) -> Batch:
    every = poses.poses
    packed = [pack(every[rows], hands) for rows in torch.arange(len(every)).split(1024)]
    x, betas = torch.cat([part.x for part in packed]), torch.cat([part.betas for part in packed])
    if not wish.mirror:
        return Batch(x, betas)
    mirrored = [pack(mirrored_hands(every[rows]), hands) for rows in torch.arange(len(every)).split(1024)]
    return Batch(torch.cat([x, *(part.x for part in mirrored)]), torch.cat([betas, *(part.betas for part in mirrored)]))


def collisions(config: IHDiffTraining, hands: dict[Side, HandModel]) -> Offsets | None:
    """The search that L_col needs, built when it is first used, on the device where the hands then are."""
    if not config.losses.collision:
        return None
    built: dict[torch.device, RayCollision] = {}

    def offsets(right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"]) -> Float[Tensor, "b u 3"]:
        if right.device not in built:
            built[right.device] = RayCollision.build(hands, len(right), right.device)
        return built[right.device].offsets(right, left)

    return offsets


if __name__ == "__main__":
    run_trainer(str(__doc__), load_training, train)

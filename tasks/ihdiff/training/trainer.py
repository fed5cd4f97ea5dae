"""Trains IHDiff or its VAE baseline in this process, as torchrun starts it: the contract of docs/training-jobs.md.

python -m tasks.ihdiff.training.trainer --dataset PLACE --out DIR --batch-scale 1 [--config FILE] [--set KEY=VALUE]…
"""

import argparse
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.utils.data import DataLoader

from dataset.assets.hand_files import load_hands
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
from tasks.ihdiff.checkpoints import hand_checksum
from tasks.ihdiff.contacting_poses import ContactingPoses, read_contacting_poses, spread
from tasks.ihdiff.training.config import DataConfig, IHDiffTraining, load_training
from tasks.ihdiff.training.learner import Batches, Learner, LearningData
from tasks.ihdiff.training.looking import look
from tasks.ihdiff.training.reporting import Reports
from tasks.training_job.job import CHECKPOINTS, METRICS

PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def main() -> None:
    """Train to the end, to SIGTERM, or from the newest checkpoint on."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--dataset", required=True)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--batch-scale", type=float, default=1.0)
    words.add_argument("--config", type=Path)
    words.add_argument("--set", action="append", default=[])
    given = words.parse_args()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # what it has to say besides is no news to anybody
    config = load_training(given.config, tuple(given.set))
    if not is_finished(given.out):
        train(config, given.dataset, given.out, max(1, round(1 / given.batch_scale)), newest(given.out))


def train(config: IHDiffTraining, place: str, out: Path, parts: int = 1, resumed: Path | None = None) -> None:
    """Train in this process, one of as many as torchrun has started.

    Args:
        place: what to learn from, see `read_contacting_poses`.
        parts: in how many pieces a batch lies on a device, one after the other.
        resumed: checkpoint to go on from.

    Raises:
        InputError: no poses to learn from, or fewer in a step than devices.
    """
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    data, notes = learning_data(config, place)
    rank, devices = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if (batch := min(config.optimiser.batch, len(data.train.x))) < devices:
        raise InputError(f"a step has {batch} hand pairs for {devices} devices; raise optimiser.batch or take fewer")
    learner = Learner(config, data, collisions(config, data.hands))
    averaging = [moving_average(config.optimiser.ema)] if config.optimiser.ema else []
    reports = Reports(out, look, notes | {"model": config.model, "config": config.model_dump(mode="json")})
    trainer = Trainer(
        **_devices(),
        precision=PRECISION[config.optimiser.precision],
        max_steps=learner.total,
        callbacks=[*averaging, reports],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
        use_distributed_sampler=False,
    )
    first = step_of(resumed) if resumed else 0
    batches = Batches(data.train, config, first, rank, devices, parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the loader has no workers and no state: it needs neither
        trainer.fit(learner, DataLoader(batches, batch_size=None), ckpt_path=resumed, weights_only=True)


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


def moving_average(decay: float) -> WeightAveraging:
    """The average of the weights. It forgets faster at first, or a short training would keep what it began with."""

    @torch.no_grad()
    def mean(old: Tensor, new: Tensor, seen: Tensor) -> Tensor:
        return new.lerp(old, ((1 + seen) / (10 + seen)).clamp(max=decay).to(old))

    # Lightning asks for the network's device before it is moved there.
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else None
    return WeightAveraging(device, use_buffers=False, avg_fn=mean)


def is_finished(out: Path) -> bool:
    """Whether the training in a folder is complete."""
    try:
        lines = (out / METRICS).read_text().splitlines()
    except FileNotFoundError:
        return False
    return bool(lines) and '"finished": true' in lines[-1]


def newest(out: Path) -> Path | None:
    """The checkpoint to go on from."""
    return max((out / CHECKPOINTS).glob("step-*.ckpt"), default=None, key=lambda path: path.name)


def step_of(checkpoint: Path) -> int:
    """How far it is."""
    return int(checkpoint.stem.partition("-")[2])


def _devices() -> dict[str, Any]:
    """What Lightning is told of the processes that torchrun has started."""
    here, all_devices = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), int(os.environ.get("WORLD_SIZE", 1))
    strategy = "ddp" if all_devices > 1 else "auto"
    accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    return {"accelerator": accelerator, "devices": here, "num_nodes": all_devices // here, "strategy": strategy}


if __name__ == "__main__":
    main()

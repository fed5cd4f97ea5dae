"""A Lightning training as torchrun starts it: the contract of docs/training-jobs.md, whatever the network."""

import argparse
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from zipfile import is_zipfile

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from dataset.errors import InputError
from tasks.lightning_training.config import TrainingConfig
from tasks.lightning_training.learner import StepLearner
from tasks.lightning_training.places import place
from tasks.lightning_training.reporting import Reports
from tasks.progress import say
from tasks.training_job.job import CHECKPOINTS, METRICS

PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed"}
Config = TypeVar("Config", bound=TrainingConfig)


def run_trainer(
    about: str,
    load: Callable[[Path | None, tuple[str, ...]], Config],
    train: Callable[[Config, str, Path, int, Path | None], None],
) -> None:
    """Read the arguments of this process and train to the end, to SIGTERM, or from the newest checkpoint on.

    Args:
        about: what `--help` says.
        load: makes the configuration of its file and overrides.
        train: gets the configuration, the dataset, the folder, in how many parts a batch lies on a device, and the
            checkpoint to go on from.
    """
    words = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--dataset", required=True)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--batch-scale", type=float, default=1.0)
    words.add_argument("--config", type=Path)
    words.add_argument("--set", action="append", default=[])
    given = words.parse_args()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # what it has to say besides is no news to anybody
    config = load(given.config, tuple(given.set))
    if not is_finished(given.out):
        train(config, given.dataset, given.out, max(1, round(1 / given.batch_scale)), newest(given.out))


def fit(learner: StepLearner, batches: IterableDataset, reports: Reports, resumed: Path | None) -> None:
    """Train in this process, one of as many as torchrun has started; `batches` begin where `resumed` ended.

    Raises:
        InputError: `resumed` is of a network of other sizes.
    """
    if resumed:
        _refuse_other_network(learner, resumed)
    wish = learner.config.optimiser
    averaging = [moving_average(wish.ema)] if wish.ema else []
    trainer = Trainer(
        **_devices(),
        precision=PRECISION[wish.precision],
        max_steps=learner.total,
        callbacks=[*averaging, reports],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=reports.out,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the loader has no workers and no state: it needs neither
        trainer.fit(learner, DataLoader(batches, batch_size=None), ckpt_path=resumed, weights_only=True)


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
    """The checkpoint to go on from: the last that is whole, for a machine may lose its power while one is written."""
    for path in sorted((out / CHECKPOINTS).glob("step-*.ckpt"), reverse=True):
        if is_zipfile(path):
            return path
        say(f"{path}: is damaged; the training goes on from the one before it", level="warning")
    return None


def _refuse_other_network(learner: StepLearner, resumed: Path) -> None:
    """Weights of other sizes are not gone on from.

    Raises:
        InputError: the checkpoint has other weights than the learner.
    """
    file = torch.load(resumed, map_location="cpu", weights_only=True, mmap=True)  # noqa: TID251 - Lightning's own format
    there = file["state_dict"]
    ours = learner.state_dict()
    if {name: value.shape for name, value in there.items()} != {name: value.shape for name, value in ours.items()}:
        raise InputError(
            f"{resumed.parent.parent}: holds a training of a network of other sizes; give the same section `network`, "
            "or another folder"
        )


def step_of(checkpoint: Path) -> int:
    """How far it is."""
    return int(checkpoint.stem.partition("-")[2])


def _devices() -> dict[str, Any]:
    """What Lightning is told of the processes that torchrun has started."""
    here, all_devices = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), place().devices
    strategy = "ddp" if all_devices > 1 else "auto"
    accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    return {"accelerator": accelerator, "devices": here, "num_nodes": all_devices // here, "strategy": strategy}

"""What a job that trains IHDiff or its VAE baseline learns from."""

from pathlib import Path

from dataset.errors import InputError
from dataset.readers.formats import TWO_HANDS
from dataset.readers.source import content_sha256
from tasks.ihdiff.job_config import IHDiffJobConfig
from tasks.step import step
from tasks.training_job.job import TrainingDataset
from tasks.training_job.steps import check_dataset
from tasks.training_job.trainer import Trainer


@step
def check_poses(trainer: Trainer, config: IHDiffJobConfig) -> TrainingDataset:
    """What the job learns from.

    Raises:
        InputError: no dataset, its poses are not made yet, or no recording of that kind.
    """
    kind, sign, path = config.dataset.partition("=")
    if not sign or kind not in TWO_HANDS:
        return check_dataset(trainer, config)
    if not Path(path).exists():
        raise InputError(f"{path}: no such file or folder; give the one that holds the poses of {kind}")
    settings = dict(override.split("=", 1) for override in config.overrides)
    files = TWO_HANDS[kind].files(Path(path), settings.get("data.subset", "train"))
    return TrainingDataset(config.dataset, (content_sha256(files),), 0)

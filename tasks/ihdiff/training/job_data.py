"""What a job that trains IHDiff or its VAE baseline learns from."""

from pathlib import Path

from dataset.readers.formats import TWO_HANDS
from dataset.readers.source import content_sha256
from tasks.ihdiff.contacting_poses import kind_and_path
from tasks.ihdiff.training.config import IHDiffTraining, load_training
from tasks.ihdiff.training.job_config import IHDiffJobConfig
from tasks.step import step
from tasks.training_job.job import TrainingDataset
from tasks.training_job.steps import check_dataset
from tasks.training_job.trainer import IHDIFF, VAE, Trainer


@step
def check_poses(trainer: Trainer, config: IHDiffJobConfig) -> TrainingDataset:
    """What the job learns from; also that the trainer's settings are sound, told before torchrun is started.

    Raises:
        InputError: an unknown key or impossible value, no dataset, its poses are not made yet, or no recording of that kind.
    """
    ours = trainer in (IHDIFF, VAE)  # another trainer's keys are its own
    wish = load_training(config.config, (*trainer.settings, *config.overrides)) if ours else IHDiffTraining()
    kind, path = kind_and_path(config.dataset)
    if not kind:
        return check_dataset(trainer, config)
    files = TWO_HANDS[kind].files(Path(path), wish.data.subset)
    return TrainingDataset(config.dataset, (content_sha256(files),), 0)

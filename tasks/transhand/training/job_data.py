"""What a job that trains TransHand learns from."""

from pathlib import Path

from dataset.errors import InputError
from dataset.readers.source import content_sha256
from dataset.recorded_images.kinds import kind_of
from tasks.step import step
from tasks.training_job.job import TrainingDataset
from tasks.training_job.steps import check_dataset
from tasks.training_job.trainer import TRANSHAND, Trainer
from tasks.transhand.images import HELD_OUT, hands_for, has_split, kind_and_folder, subset_of
from tasks.transhand.training.config import SourceConfig, TransHandTraining, load_training
from tasks.transhand.training.job_config import TransHandJobConfig


@step
def check_images(trainer: Trainer, config: TransHandJobConfig) -> TrainingDataset:
    """What the job learns from; also that the trainer's settings are sound, told before torchrun is started.

    Raises:
        InputError: an unknown key or impossible value, no dataset, an unfinished one, or no recorded images of that kind.
    """
    ours = trainer == TRANSHAND  # another trainer's keys are its own
    wish = load_training(config.config, (*trainer.settings, *config.overrides)) if ours else TransHandTraining()
    if config.evaluate_on and config.images:
        _check_judged(config.evaluate_on, wish.data.mano)
    found = [_found(trainer, config, one) for one in (wish.data.first(config.dataset), *wish.data.mix)]
    runs = tuple(run for one in found for run in one.runs)
    return TrainingDataset(config.dataset, runs, sum(one.rows for one in found))


def _check_judged(place: str, mano: Path | None) -> None:
    """Told now, not after days of training."""
    kind, path = kind_and_folder(place)
    hands_for(place, mano)
    if any(has_split(place, split) for split in HELD_OUT):
        return
    if kind:
        kind_of(kind).files(Path(path), subset_of(kind, "test") or kind_of(kind).SUBSETS[0])
    else:
        raise InputError(f"evaluate_on: {place} holds no images of the splits {' and '.join(HELD_OUT)}; name others")


def _found(trainer: Trainer, config: TransHandJobConfig, source: SourceConfig) -> TrainingDataset:
    kind, path = kind_and_folder(source.place)
    if not kind:
        return check_dataset(trainer, config.model_copy(update={"dataset": source.place}))
    module = kind_of(kind)
    files = module.files(Path(path), source.subset or module.SUBSETS[0])
    return TrainingDataset(source.place, (content_sha256(files),), 0)

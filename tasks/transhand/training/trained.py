"""What is made of a finished training: its errors on images that it did not learn from, and its card."""

from importlib.util import find_spec
from pathlib import Path

import torch

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.storage.mirror import local_copy
from dataset.storage.opening import open_store
from models.transhand.checkpoint import TrainedTransHand, load
from models.weight_files import FILE
from tasks.observing.artifacts import show_training
from tasks.progress import bar, say
from tasks.step import step
from tasks.training_job.job import TrainingJob
from tasks.transhand.evaluation.evaluate import Evaluated, Evaluation, evaluate
from tasks.transhand.training.card import model_card
from tasks.transhand.training.sources import kind_and_folder

CARD, EVALUATION = "README.md", "evaluation"
_PREDICTOR = "tasks.transhand.prediction.predictor"
"""What the evaluation of a checkpoint asks for the hands in an image."""


@step
def evaluate_trained(job: TrainingJob) -> Evaluated | None:
    """Errors of the network on the split test, or else validation; None where there is nothing to evaluate it on."""
    model, place = published(job), job.config.evaluate_on or job.config.dataset
    if model is None or not job.config.images:
        return None
    if reason := _not_evaluated(place):
        say(f"The network is not evaluated: {reason}")
        return None
    folder = local_copy(place, bar)
    return evaluate(_evaluation(job, model, folder, _held_out(folder)[0]))


def _not_evaluated(place: str) -> str:
    """Why not; empty where it can be."""
    if not _has_predictor():
        return "this version of render-ih has no predictor of TransHand yet"
    if kind_and_folder(place)[0]:
        return f"{place} is no dataset; name one as evaluate_on"
    return "" if _held_out(place) else f"{place} holds no images back from training"


def _held_out(place: str | Path) -> list[str]:
    splits = Manifest.read(open_store(place)).splits
    return [split for split in ("test", "validation") if splits.get(split, {}).get("images")]


def _evaluation(job: TrainingJob, model: TrainedTransHand, folder: Path, split: str) -> Evaluation:
    data, most = model.notes["config"]["data"], job.config.images
    return Evaluation(
        dataset=folder,
        out=job.out / EVALUATION / f"step-{model.notes['steps']:08d}-{split}-{most}",
        checkpoint=job.out / FILE,
        split=split,
        most=most,
        size=tuple(data["size"]) if data["size"] else None,
        mano=Path(data["mano"]) if data["mano"] else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )


@step
def write_card(job: TrainingJob, found: Evaluated | None) -> Path | None:
    """The model card, README.md in the training's folder; in a flow run also an artifact, as are its pictures."""
    model = published(job)
    if model is None:
        return None
    pictures = newest_pictures(job.out)
    tables = found.tables.read_text(encoding="utf-8") if found else ""
    text = model_card(model, [path.relative_to(job.out) for path in pictures], tables)
    atomic_write(job.out / CARD, text)
    show_training(job.out, text, [path for path in pictures if ".prediction." in path.name])
    return job.out / CARD


def _has_predictor() -> bool:
    try:
        return find_spec(_PREDICTOR) is not None
    except ModuleNotFoundError:
        return False


def newest_pictures(out: Path) -> list[Path]:
    """Of the last look, in the order of their names."""
    folders = sorted((out / "pictures").glob("*"), key=lambda folder: folder.name)
    return sorted(folders[-1].glob("*.jpg")) if folders else []


def published(job: TrainingJob) -> TrainedTransHand | None:
    """The network that the training has left; None when it left none.

    Raises:
        InputError: what it left cannot be used.
    """
    if not (job.out / FILE).is_file():
        return None
    try:
        return load(job.out)
    except ValueError as error:
        raise InputError(str(error)) from error

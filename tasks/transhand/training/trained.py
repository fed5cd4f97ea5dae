"""What is made of a finished training: its errors on images that it did not learn from, and its card."""

import zlib
from pathlib import Path

import torch

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.storage.mirror import local_copy
from models.transhand.checkpoint import TrainedTransHand, load
from models.weight_files import FILE
from tasks.lightning_training.curves import write_curves
from tasks.observing.artifacts import show_training
from tasks.progress import bar, say
from tasks.step import step
from tasks.training_job.job import TrainingJob
from tasks.transhand.evaluation.evaluate import Evaluated, Evaluation, evaluate
from tasks.transhand.images import HELD_OUT, has_split, kind_and_folder
from tasks.transhand.training.card import model_card
from tasks.transhand.training.sheet import write_sheet

CARD, SHEET, CURVES, EVALUATION = "README.md", "sheet.jpg", "curves.svg", "evaluation"


@step
def evaluate_trained(job: TrainingJob) -> Evaluated | None:
    """Errors of the network on the split test, or else validation; None, and why, where it cannot be evaluated."""
    model = published(job)
    if model is None or not job.config.images:
        return None
    place, split = _held_out(job)
    if not split:
        say(f"The network is not evaluated: {place} holds no images back from training; name others as evaluate_on")
        return None
    try:
        return evaluate(_evaluation(job, model, place, split))
    except InputError as error:  # the training is worth its card all the same
        say(f"The network is not evaluated: {error}", level="warning")
        return None


def _held_out(job: TrainingJob) -> tuple[str, str]:
    """Where images are that were not learnt from, and their split; no split where there are none."""
    named = job.config.evaluate_on
    place = named or job.config.dataset
    if kind_and_folder(place)[0]:
        return place, next((split for split in HELD_OUT if has_split(place, split)), "test" if named else "")
    place = str(local_copy(place, bar))
    return place, next((split for split in HELD_OUT if has_split(place, split)), "")


def _evaluation(job: TrainingJob, model: TrainedTransHand, place: str, split: str) -> Evaluation:
    data, most = model.notes["config"]["data"], job.config.images
    return Evaluation(
        dataset=Path(place),
        out=job.out / EVALUATION / f"step-{model.notes['steps']:08d}-{split}-{most}{_other(job.config.evaluate_on)}",
        checkpoint=job.out / FILE,
        split=split,
        most=most,
        size=tuple(data["size"]) if data["size"] else None,
        mano=Path(data["mano"]) if data["mano"] else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )


def _other(place: str) -> str:
    """Part of a folder's name for images of another place than those learnt from."""
    return f"-{zlib.crc32(place.encode()):08x}" if place else ""


@step
def write_card(job: TrainingJob, found: Evaluated | None) -> Path | None:
    """README.md in the training's folder with its pictures; in a flow run also artifacts."""
    model = published(job)
    if model is None:
        return None
    sheet = SHEET if write_sheet(job.out, job.out / SHEET) else ""
    curves = CURVES if write_curves(job.out, ("MPJPE_mm", "PA_MPJPE_mm"), job.out / CURVES) else ""
    text = model_card(model, sheet, curves, _measured(job, found) if found else "")
    atomic_write(job.out / CARD, text)
    show_training(job.out, text, [job.out / SHEET] if sheet else [])
    return job.out / CARD


def _measured(job: TrainingJob, found: Evaluated) -> str:
    tables = found.tables.read_text(encoding="utf-8")
    if found.pictures is None:
        return tables
    return f"{tables}\n![Least and greatest errors]({found.pictures.relative_to(job.out).as_posix()})\n"


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

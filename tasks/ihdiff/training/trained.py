"""What is made of a finished training: hands drawn from it, the paper's tables for it, and its card."""

from pathlib import Path

from dataset.atomic import atomic_write
from dataset.errors import InputError
from models.ihdiff.checkpoint import FILE, IHDiff, TrainedVAE, load, load_vae
from tasks.ihdiff.evaluation.evaluate import Evaluated, Evaluation, evaluate
from tasks.ihdiff.sampling import Draws, SampleFolder, SamplingOrder, make_samples
from tasks.ihdiff.training.card import model_card
from tasks.observing.artifacts import show_training
from tasks.progress import say
from tasks.step import step
from tasks.training_job.job import TrainingJob

CARD, SAMPLES, EVALUATION = "README.md", "samples", "evaluation"


@step
def sample_trained(job: TrainingJob) -> SampleFolder | None:
    """Hands drawn from the network: poses and a picture of them. None where none are asked for, or of the VAE."""
    config, model = job.config, published(job)
    if not isinstance(model, IHDiff) or not config.samples:
        return None
    draws = Draws(config.samples, config.sampling_steps)
    return make_samples(SamplingOrder(job.out / FILE, job.out / SAMPLES, draws, mano=_mano(model)))


@step
def evaluate_trained(job: TrainingJob) -> Evaluated | None:
    """Tables 1 and 2 for the network alone, on poses that it did not learn from."""
    config, model = job.config, published(job)
    if model is None or not (config.samples and config.fits):
        return None
    held = [split for split in ("test", "validation") if model.notes["poses"][split]]
    if not held:
        say("No poses were held back from the training, so the network is not evaluated")
        return None
    is_self = isinstance(model, IHDiff) and model.network.config.attention == "self"
    wish = Evaluation(
        place=config.dataset,
        out=job.out / EVALUATION,
        networks={"self_attention" if is_self else config.model: job.out / FILE},
        tables=(2,) if is_self else (1, 2),
        samples=max(2, config.samples),
        poses=config.fits,
        split=held[0],
        steps=config.fitting_steps,
        sampling_steps=config.sampling_steps,
        mano=_mano(model),
    )
    return evaluate(wish)


@step
def write_card(job: TrainingJob, samples: SampleFolder | None, tables: Evaluated | None) -> Path | None:
    """The model card, README.md in the training's folder; in a flow run also an artifact, as are its pictures."""
    model = published(job)
    if model is None:
        return None
    pictures = [path for path in (samples.pictures if samples else ()) if path.suffix == ".jpg"]
    found = tables.tables.read_text() if tables else ""
    text = model_card(model, [path.relative_to(job.out) for path in pictures], found)
    atomic_write(job.out / CARD, text)
    show_training(job.out, text, pictures)
    return job.out / CARD


def published(job: TrainingJob) -> IHDiff | TrainedVAE | None:
    """The network that the training has left; None when it left none.

    Raises:
        InputError: what it left cannot be used.
    """
    if not (job.out / FILE).is_file():
        return None
    try:
        return load_vae(job.out) if job.config.model == "vae" else load(job.out)
    except ValueError as error:
        raise InputError(str(error)) from error


def _mano(model: IHDiff | TrainedVAE) -> Path | None:
    folder = model.notes["config"]["data"]["mano"]
    return Path(folder) if folder else None

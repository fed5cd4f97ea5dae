"""Training the networks."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from flows.cli.root import PATH, RECORDED

_JOB = (
    click.option("--out", type=PATH, required=True, help="Folder of the training; one that was stopped goes on."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of it."),
    click.option("--hours", type=click.FloatRange(0), default=0.0, help="Save and end after so many; 0: no limit."),
    click.option("--processes", type=click.IntRange(0), default=0, help="0: one a GPU, or one on the CPU."),
    RECORDED,
)
"""Of every training job."""
_OF_POSES = (
    click.option(
        "--dataset", required=True, help="Dataset (folder or URL; its poses suffice), or KIND=PATH of recordings."
    ),
    click.option("--config", default="paper", help="Recipe (smoke, small, fast, paper) or a file of your own."),
    click.option(
        "--samples", type=click.IntRange(0), default=64, help="Hand pairs drawn from the result for its card."
    ),
    click.option("--fits", type=click.IntRange(0), default=16, help="Test poses that the result is fitted to."),
)
_OF_IMAGES = (
    click.option("--dataset", required=True, help="Dataset (folder or URL), or KIND=PATH of recorded images."),
    click.option(
        "--config", default="paper", help="Recipe (docs/transhand.md names them: smoke, paper …) or a file of your own."
    ),
    click.option(
        "--images", type=click.IntRange(0), default=5000, help="Test images that the result is evaluated on, at most."
    ),
    click.option("--evaluate-on", default="", help="Dataset that these are of, if not the one that is learnt from."),
)


@click.group()
def train() -> None:
    """Train the networks."""


@train.command("naturalness")
@click.option("--out", type=PATH, default=Path("out/naturalness"), help="Folder of the result.")
@click.option(
    "--poses",
    multiple=True,
    metavar="KIND=PATH",
    help="Recordings to learn from instead of the built-in gestures, e.g. freihand=DIR; may be given again.",
)
@click.option("--mano", type=PATH, default=None, help="MANO folder, when the poses are MANO's.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Decides every random number.")
@click.option("--samples", type=click.IntRange(500), default=40_000, help="Labelled poses to learn from.")
@click.option("--epochs", type=click.IntRange(1), default=15, help="How often so many are shown.")
@click.option("--folds", type=click.IntRange(2), default=4, help="Trainings that judge the network on unseen gestures.")
@RECORDED
def train_natural_discriminator(
    out: Path,
    poses: tuple[str, ...],
    mano: Path | None,
    seed: int,
    samples: int,
    epochs: int,
    folds: int,
    prefect: bool | None,
) -> None:
    """Train the network that tells natural hand poses from unnatural ones; a minute on one core."""
    from flows.train_naturalness import train_naturalness
    from models.naturalness import NaturalnessTraining
    from tasks.recording.run_flow import run_flow

    config = NaturalnessTraining(samples=samples, epochs=epochs, folds=folds)
    made = run_flow(train_naturalness, prefect, config, out, seed, poses, mano)
    for name, value in {**made.metrics["held_out"], **made.metrics["force"]}.items():
        click.echo(f"{name.replace('_', ' '):<38} {value:.4f}")
    click.echo(f"checkpoint: {made.checkpoint}\ncard:       {made.card}")


def _options(*given: Callable) -> Callable:
    """Options of a training job, in this order."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(given):
            function = option(function)
        return function

    return decorate


@train.command("ihdiff")
@_options(*_OF_POSES, *_JOB)
def train_ihdiff(**given: Any) -> None:
    """Train IHDiff, the diffusion prior of two interacting hands, and measure what came out."""
    _train_on_poses("ihdiff", **given)


@train.command("vae")
@_options(*_OF_POSES, *_JOB)
def train_vae(**given: Any) -> None:
    """Train the VAE that IHDiff is compared with."""
    _train_on_poses("vae", **given)


@train.command("transhand")
@_options(*_OF_IMAGES, *_JOB)
def train_transhand(**given: Any) -> None:
    """Train TransHand, which finds two hand meshes in an image, and measure what came out."""
    click.echo("render-ih: loading", err=True)
    from flows.train_transhand import train_transhand
    from tasks.transhand.training.job_config import TransHandJobConfig

    _train(train_transhand, TransHandJobConfig, **given)


def _train_on_poses(model: str, **given: Any) -> None:
    click.echo("render-ih: loading", err=True)
    from flows.train_ihdiff import train_ihdiff
    from tasks.ihdiff.training.job_config import IHDiffJobConfig

    _train(train_ihdiff, IHDiffJobConfig, model=model, **given)


def _train(flow: Callable, kind: type, hours: float, prefect: bool | None, **given: Any) -> None:
    """Run a training job and say where its result is."""
    from flows.operation.definition import checked
    from tasks.recording.run_flow import run_flow
    from tasks.training_job.failures import TrainingError

    job = checked(kind, {**given, "max_hours": hours}, "training")
    try:
        made = run_flow(flow, prefect, job)
    except TrainingError as error:  # one sentence; what the trainer said of it is above, and in the log that it names
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    for name, file in (("checkpoint", "model.safetensors"), ("card", "README.md")):
        if (given["out"] / file).is_file():
            click.echo(f"{name + ':':<11} {given['out'] / file}")
    if not made.finished:
        click.echo(f"stopped at step {made.metrics.get('step', 0)}; the same command goes on from there")

"""Training the networks."""

from pathlib import Path

import click

from flows.cli.root import PATH, RECORDED


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

"""The steps of training the natural discriminator: from poses that people make to a checkpoint with its card."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from dataset.atomic import atomic_file, atomic_write
from dataset.errors import InputError
from models.descent import probability_of
from models.discriminator import NaturalDiscriminator, save_discriminator
from models.labelled_poses import LabelledPoses, NaturalPoses, folds, generator, label
from models.naturalness import Fit, NaturalnessTraining, fit
from models.naturalness_metrics import (
    Judged,
    by_offset,
    calibration,
    force_metrics,
    held_out_metrics,
    judge,
)
from tasks.natural_poses import Source
from tasks.naturalness_card import naturalness_card
from tasks.naturalness_figure import naturalness_figure
from tasks.progress import bar
from tasks.step import step

HELD_OUT_SAMPLES = 4000
"""Labelled poses that judge a fold."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One training: what it learns from, and what it is judged with (nothing when it learns from everything)."""

    name: str
    learned: NaturalPoses
    held_out: NaturalPoses | None = None


@dataclass(frozen=True, eq=False)
class LabelledFold:
    """A fold with the labelled poses made from each side of it."""

    fold: Fold
    poses: LabelledPoses
    held_out: LabelledPoses | None = None


@dataclass(frozen=True)
class TrainedRef:
    """Where a trained network is and its figures."""

    checkpoint: Path
    card: Path
    metrics: dict


@step
def split_poses(source: Source, config: NaturalnessTraining, seed: int) -> list[Fold]:
    """Every training: one for each fold, and a last one that learns from everything.

    Raises:
        InputError: there are fewer gestures or recordings than folds.
    """
    try:
        pairs = folds(source.poses, config.folds, generator(seed, "folds"))
    except ValueError as error:
        raise InputError(str(error)) from error
    named = [Fold(f"fold {k + 1} of {len(pairs)}", *pair) for k, pair in enumerate(pairs)]
    return [*named, Fold("all", source.poses)]


@step
def label_poses(fold: Fold, config: NaturalnessTraining, seed: int) -> LabelledFold:
    """Natural and unnatural poses with their labels, for both sides of a fold."""
    make = lambda poses, count, use: label(poses, count, config.labels, generator(seed, fold.name, use))  # noqa: E731
    held_out = make(fold.held_out, HELD_OUT_SAMPLES, "judge") if fold.held_out else None
    return LabelledFold(fold, make(fold.learned, config.samples, "learn"), held_out)


@step
def train_network(labelled: LabelledFold, config: NaturalnessTraining, seed: int) -> Fit:
    """Train one network."""
    draws = generator(seed, labelled.fold.name, "network")
    with bar(f"train {labelled.fold.name}", config.epochs, "epochs") as advance:
        return fit(labelled.poses, config, draws, labelled.held_out, advance)


@step
def judge_network(trained: Fit, labelled: LabelledFold) -> Judged:
    """What a fold's network says of the poses that it has not seen."""
    fold = labelled.fold
    return judge(trained.network, fold.learned, fold.held_out, labelled.held_out)


@step
def evaluate(
    trained: Fit, fits: list[Fit], judged: list[Judged], source: Source, config: NaturalnessTraining, seed: int
) -> dict:
    """All figures: of the folds together, and of the network that learned from everything."""
    together = Judged.join(judged)
    of_poses = probability_of(trained.network, source.poses.angles)
    mean = lambda curves: torch.tensor(curves, dtype=torch.float64).mean(0).tolist()  # noqa: E731
    figures = {
        "data": {"about": source.about, "poses": len(source.poses), "groups": len(source.poses.groups.unique())},
        "built_in": source.built_in,
        "seed": seed,
        "config": asdict(config),
        "curve": {"training": mean([f.training for f in fits]), "held_out": mean([f.held_out for f in fits])},
        "held_out": held_out_metrics(together, config.labels.half_degrees),
        "calibration": calibration(together.predicted, together.labels),
        "by_offset": by_offset(together),
        "natural_poses": {"mean": of_poses.mean().item(), "lowest": of_poses.min().item()},
        "force": force_metrics(
            trained.network, source.poses, config.labels, generator(seed, "force"), 1 + config.samples // 80
        ),
    }
    return _rounded(figures)


@step
def write_network(out: Path, network: NaturalDiscriminator, metrics: dict) -> TrainedRef:
    """The checkpoint, its figures as JSON and as a picture, and its card.

    Raises:
        InputError: the folder cannot be written.
    """
    notes = {name: metrics[name] for name in ("data", "seed", "config")}
    with atomic_file(out / "naturalness.safetensors") as file:
        save_discriminator(network, file, notes)
    atomic_write(out / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    atomic_write(out / "figures.svg", naturalness_figure(metrics))
    atomic_write(out / "README.md", naturalness_card(metrics))
    return TrainedRef(out / "naturalness.safetensors", out / "README.md", metrics)


def _rounded(value: object) -> object:
    """Floats with four decimals, in whatever holds them."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value

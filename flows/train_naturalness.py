"""Trains the natural discriminator of RenderIH §3.1.

collect → (label → train → judge) per fold → label → train on everything → evaluate → write
"""

from pathlib import Path

from prefect import flow

from models.naturalness import NaturalnessTraining
from tasks.natural_poses import collect_natural_poses
from tasks.train_naturalness import (
    TrainedRef,
    evaluate,
    judge_network,
    label_poses,
    split_poses,
    train_network,
    write_network,
)


@flow(name="train-naturalness", validate_parameters=False)
def train_naturalness(
    config: NaturalnessTraining, out: Path, seed: int = 0, recordings: tuple[str, ...] = (), mano: Path | None = None
) -> TrainedRef:
    """Train on recordings (`KIND=PATH`), or on the gesture library; checkpoint, figures and card go to `out`."""
    source = collect_natural_poses(recordings, mano)
    *folds, everything = split_poses(source, config, seed)
    fits, judged = [], []
    for fold in folds:
        labelled = label_poses(fold, config, seed)
        fits.append(train_network(labelled, config, seed))
        judged.append(judge_network(fits[-1], labelled))
    trained = train_network(label_poses(everything, config, seed), config, seed)
    metrics = evaluate(trained, fits, judged, source, config, seed)
    return write_network(out, trained.network, metrics)

"""How the natural discriminator is trained.

In float64 on the CPU, whatever the machine has: the network is small, and rounding then stays so far below the weights that
another processor or another number of threads comes to the same network.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.descent import Explorers
from models.discriminator import NaturalDiscriminator
from models.labelled_poses import LabelConfig, LabelledPoses


@dataclass(frozen=True)
class NaturalnessTraining:
    """How long and from what the network learns."""

    samples: int = 40_000
    """Labelled poses at the start, half of them natural; also how many an epoch shows, drawn from all there are by then."""
    epochs: int = 15
    """How often so many are shown."""
    explorers: int = 500
    """Poses that follow the network's own slope while it learns; where they are joins the labelled poses every epoch."""
    explore_from: int = 2
    """Epochs before they set out."""
    folds: int = 4
    """Trainings that each hold out a share of the gestures, to judge what the network says of gestures never seen."""
    batch: int = 500
    """Poses a step."""
    learning_rate: float = 3e-3
    """Of AdamW at its peak; it rises over the first third of the steps and then falls to nothing."""
    weight_decay: float = 1e-2
    """Of AdamW."""
    labels: LabelConfig = field(default_factory=LabelConfig)
    """How the poses are made."""

    def __post_init__(self) -> None:
        for name, least in (("samples", self.batch), ("epochs", 1), ("folds", 2), ("batch", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, must be {least} or more")


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained network (float64) and its loss after each epoch."""

    network: NaturalDiscriminator
    training: list[float]
    """Mean over the epoch's steps."""
    held_out: list[float]
    """After the epoch; empty when nothing was held out."""


def discriminator_loss(predicted: Float[Tensor, "n"], labels: Float[Tensor, "n"]) -> Float[Tensor, ""]:
    """L_D of RenderIH Eq. 7 with the labels of its text: mean of (D(Θ) − p_n)².

    With p_n = 1 for natural and 0 for unnatural poses, as many of either, it is half of Eq. 7.
    """
    return (predicted - labels).square().mean()


def fit(
    poses: LabelledPoses,
    config: NaturalnessTraining,
    draws: torch.Generator,
    held_out: LabelledPoses | None = None,
    on_epoch: Callable[[int], None] | None = None,
) -> Fit:
    """Train a network; `draws` decides its first weights and the order of the poses, `on_epoch` hears 1 after each epoch."""
    network = NaturalDiscriminator(generator=draws).double()
    adam = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    steps = config.samples // config.batch
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, config.learning_rate, total_steps=max(config.epochs * steps, 2))
    explorers = Explorers(poses, config.explorers, config.labels, draws)
    training, unseen = [], []
    for epoch in range(config.epochs):
        if epoch >= config.explore_from:
            poses = poses + explorers.explore(network)
        order = torch.randperm(len(poses), generator=draws)[: steps * config.batch]
        losses = [_step(network, poses, rows, adam, rate) for rows in order.split(config.batch)]
        training.append(sum(losses) / len(losses))
        if held_out:
            with torch.no_grad():
                unseen.append(discriminator_loss(network(held_out.rotations), held_out.labels).item())
        if on_epoch:
            on_epoch(1)
    return Fit(network.eval().requires_grad_(False), training, unseen)


def _step(
    network: NaturalDiscriminator,
    poses: LabelledPoses,
    rows: Int[Tensor, "batch"],
    adam: torch.optim.Optimizer,
    rate: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    loss = discriminator_loss(network(poses.rotations[rows]), poses.labels[rows])
    adam.zero_grad()
    loss.backward()
    adam.step()
    rate.step()
    return loss.item()

"""The Lightning module: a network and its data order. All that is IHDiff's own lies in `models.ihdiff`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import IterableDataset

from hands.joints import Side
from hands.model import HandModel
from hands.random_streams import torch_stream
from models.ihdiff.checkpoint import save
from models.ihdiff.diffusion import Schedule
from models.ihdiff.learning import Batch, denoising_terms
from models.ihdiff.losses import Losses, Offsets
from models.ihdiff.network import Denoiser
from models.ihdiff.representation import Standard
from models.ihdiff.vae import VAE, vae_terms
from tasks.ihdiff.training.config import IHDiffTraining
from tasks.lightning_training.config import steps_of
from tasks.lightning_training.learner import StepLearner, Terms


@dataclass(frozen=True, eq=False)
class LearningData:
    """Everything a network learns from, as the network sees it, in memory."""

    train: Batch
    validation: Batch | None
    """Poses not learnt from; None where none were held back."""
    standard: Standard
    hands: dict[Side, HandModel]

    def __deepcopy__(self, memo: dict[int, object]) -> "LearningData":
        """Itself: the moving average of the weights copies its learner."""
        return self


class Batches(IterableDataset):
    """This device's share of each step's batch, step by step, each cut into the parts that lie on the device at once."""

    def __init__(self, data: Batch, config: IHDiffTraining, first: int, rank: int, devices: int, parts: int) -> None:
        self.data, self.config, self.first = data, config, first
        self.rank, self.devices = rank, devices
        self.parts = min(parts, max(1, min(config.optimiser.batch, len(data.x)) // devices))
        """As many on every device, or some would wait for others."""

    def __iter__(self) -> Iterator[list[Batch]]:
        for step in range(self.first, steps_of(self.config.optimiser, len(self.data.x))):
            mine = self.rows(step)[self.rank :: self.devices]
            yield [
                Batch(self.data.x[rows], self.data.betas[rows]) for rows in mine.tensor_split(self.parts) if len(rows)
            ]

    def rows(self, step: int) -> Int[Tensor, "_"]:
        """Which poses a step sees on all devices: every epoch shows each once, in an order of its own."""
        batch = min(self.config.optimiser.batch, len(self.data.x))
        epoch, at = divmod(step, len(self.data.x) // batch)
        if epoch != getattr(self, "_epoch", None):
            self._epoch = epoch
            self._order = torch.randperm(len(self.data.x), generator=torch_stream(self.config.seed, "order", epoch))
        return self._order[at * batch : (at + 1) * batch]


class Learner(StepLearner):
    """Descends on the loss of the configured network."""

    def __init__(self, config: IHDiffTraining, data: LearningData, offsets: Offsets | None) -> None:
        draws = torch_stream(config.seed, "weights")
        network = Denoiser(config.network, draws) if config.model == "ihdiff" else VAE(config.vae, draws)
        super().__init__(config, network, len(data.train.x))
        self.held = (data, offsets)
        """What it learns from and what finds collisions; in a tuple, so that no weights are looked for in it."""

    @cached_property
    def losses(self) -> Losses:
        """On the device of the network."""
        data, offsets = self.held
        standard = Standard(data.standard.mean, data.standard.std).to(self.device)
        hands = {side: HandModel(model.arrays).to(self.device) for side, model in data.hands.items()}
        return Losses(self.config.losses, standard, hands, offsets)

    @cached_property
    def schedule(self) -> Schedule:
        """All T steps."""
        return Schedule()

    def parts(self, batch: list[Batch]) -> Iterator[tuple[float, Batch]]:
        """As they are."""
        whole = sum(len(part.x) for part in batch)
        yield from ((len(part.x) / whole, part) for part in batch)

    def terms_of(self, batch: Batch, draws: torch.Generator) -> Terms:
        """Weighted terms of the loss."""
        if self.config.model == "vae":
            return vae_terms(self.network, batch, self.losses, draws)
        return denoising_terms(self.network, batch, self.losses, self.schedule, draws)

    @torch.no_grad()
    def validation_terms(self, batch: Batch) -> Terms:
        """The loss on poses not learnt from, always with the same noise."""
        return self.terms_of(batch, torch_stream(self.config.seed, "validation"))

    def publish(self, file: BinaryIO, notes: dict[str, Any]) -> None:
        """The checkpoint of `models.ihdiff`."""
        save(file, self.network, self.losses.standard, notes)

"""The Lightning module: a network, its data order and its optimiser. All that is IHDiff's own lies in `models.ihdiff`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import IterableDataset

from hands.joints import Side
from hands.model import HandModel
from hands.random_streams import torch_stream
from models.ihdiff.diffusion import Schedule
from models.ihdiff.learning import Batch, denoising_terms
from models.ihdiff.losses import Losses, Offsets
from models.ihdiff.network import Denoiser
from models.ihdiff.representation import Standard
from models.ihdiff.vae import VAE, vae_terms
from tasks.ihdiff.training.config import IHDiffTraining, OptimiserConfig

Terms = dict[str, Float[Tensor, ""]]


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


class Learner(LightningModule):
    """Descends on the loss of the configured network."""

    def __init__(self, config: IHDiffTraining, data: LearningData, offsets: Offsets | None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config, self.total = config, steps_of(config.optimiser, len(data.train.x))
        draws = torch_stream(config.seed, "weights")
        self.network = Denoiser(config.network, draws) if config.model == "ihdiff" else VAE(config.vae, draws)
        self.held = (data, offsets)
        """What it learns from and what finds collisions; in a tuple, so that no weights are looked for in it."""
        self.terms: Terms = {}
        """Of the last step."""
        self.seconds = 0.0
        """Training time over all attempts."""

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

    def training_step(self, parts: list[Batch], number: int) -> None:
        """One step of the optimiser, over the parts of a batch."""
        optimiser, rate = self.optimizers(), self.lr_schedulers()
        optimiser.zero_grad()
        whole = sum(len(part.x) for part in parts)
        sums: Terms = {}
        for index, part in enumerate(parts):
            here = self.global_step, self.global_rank, index
            dropout = torch_stream(self.config.seed, "dropout", *here).initial_seed()
            torch.manual_seed(dropout)  # noqa: TID251 - dropout takes no generator
            terms = self.terms_of(part, torch_stream(self.config.seed, "noise", *here))
            share = len(part.x) / whole
            self.manual_backward(share * sum(terms.values()))
            sums = {name: sums.get(name, 0.0) + share * value.detach() for name, value in terms.items()}
        if self.config.optimiser.clip:
            self.clip_gradients(optimiser, self.config.optimiser.clip, "norm")
        self.terms = sums
        optimiser.step()
        rate.step()

    def terms_of(self, batch: Batch, draws: torch.Generator) -> Terms:
        """Weighted terms of the loss."""
        if self.config.model == "vae":
            return vae_terms(self.network, batch, self.losses, draws)
        return denoising_terms(self.network, batch, self.losses, self.schedule, draws)

    @torch.no_grad()
    def validation_terms(self, batch: Batch) -> Terms:
        """The loss on poses not learnt from, always with the same noise."""
        return self.terms_of(batch, torch_stream(self.config.seed, "validation"))

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Training time goes with the weights."""
        checkpoint["seconds"] = self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """And comes back with them."""
        self.seconds = float(checkpoint["seconds"])

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW and its rate."""
        wish = self.config.optimiser
        adam = torch.optim.AdamW(self.network.parameters(), wish.learning_rate, weight_decay=0.0)
        rate = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: rate_at(step, self.total, wish))
        return {"optimizer": adam, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


def steps_of(wish: OptimiserConfig, poses: int) -> int:
    """Steps of a whole training."""
    return wish.steps or max(1, round(wish.epochs * (poses // min(wish.batch, poses))))


def rate_at(step: int, total: int, wish: OptimiserConfig) -> float:
    """The learning rate at a step over the configured one."""
    rising = min(1.0, (step + 1) / wish.warmup) if wish.warmup else 1.0
    done = step / total
    if wish.schedule == "cosine":
        return rising * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * min(done, 1.0)))))
    return rising * (1.0 if done < 0.85 else 0.1 if done < 0.95 else 0.01)

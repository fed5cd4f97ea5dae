"""The Lightning module that trainings have in common: a step of the optimiser over the parts of a batch."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, BinaryIO, TypeVar

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from hands.random_streams import torch_stream
from tasks.lightning_training.config import TrainingConfig, rate_at, steps_of

Terms = dict[str, Float[Tensor, ""]]
Part = TypeVar("Part")


class StepLearner(LightningModule):
    """Descends on the sum of named terms. What is random in a step depends on seed, step, rank and part alone."""

    def __init__(self, config: TrainingConfig, network: nn.Module, samples: int) -> None:
        """`samples` are what an epoch holds, over all devices."""
        super().__init__()
        self.automatic_optimization = False
        self.config, self.network, self.samples = config, network, samples
        self.total = steps_of(config.optimiser, samples)
        self.terms: Terms = {}
        """Of the last step."""
        self.seconds = 0.0
        """Training time over all attempts."""

    @abstractmethod
    def parts(self, batch: Any) -> Iterator[tuple[float, Part]]:
        """What lies on the device at once, one after the other, each with its share of the batch."""

    @abstractmethod
    def terms_of(self, part: Part, draws: torch.Generator) -> Terms:
        """Weighted terms of the loss; `draws` is the only source of chance besides dropout."""

    @abstractmethod
    def publish(self, file: BinaryIO, notes: dict[str, Any]) -> None:
        """Write the network as it would be used; `notes` say how it was made."""

    @property
    def samples_in_step(self) -> int:
        """Samples that a step sees on all devices."""
        return min(self.config.optimiser.batch, self.samples)

    def training_step(self, batch: Any, number: int) -> None:
        """One step of the optimiser, over the parts of a batch."""
        optimiser, rate = self.optimizers(), self.lr_schedulers()
        optimiser.zero_grad()
        sums: Terms = {}
        for index, (share, part) in enumerate(self.parts(batch)):
            here = self.global_step, self.global_rank, index
            dropout = torch_stream(self.config.seed, "dropout", *here).initial_seed()
            torch.manual_seed(dropout)  # noqa: TID251 - dropout takes no generator
            terms = self.terms_of(part, torch_stream(self.config.seed, "noise", *here))
            self.manual_backward(share * sum(terms.values()))
            sums = {name: sums.get(name, 0.0) + share * value.detach() for name, value in terms.items()}
        if self.config.optimiser.clip:
            self.clip_gradients(optimiser, self.config.optimiser.clip, "norm")
        self.terms = sums
        optimiser.step()
        rate.step()

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Training time goes with the weights."""
        checkpoint["seconds"] = self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """And comes back with them."""
        self.seconds = float(checkpoint["seconds"])

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW over what is learnt, and its rate."""
        wish = self.config.optimiser
        learnt = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        adam = torch.optim.AdamW(learnt, wish.learning_rate, weight_decay=wish.weight_decay)
        rate = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: rate_at(step, self.total, wish))
        return {"optimizer": adam, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

"""Adam (Kingma & Ba 2015) for a batch of independent problems: each has its own learning rate, lowered when it stalls."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EPSILON = 1e-3
"""Far above rounding noise: in mirrored poses some slopes are exactly zero, and Adam must not blow up their noise."""
FLOOR = 0.02
"""A learning rate never falls below this share of its start."""


class PerPoseAdam:
    """Steps for variables `[b d]`; after `patience` steps without progress of a pose its learning rate is halved."""

    def __init__(self, variables: Float[Tensor, "b d"], rates: Float[Tensor, "d"], patience: int) -> None:
        self.rates, self.patience, self.count = rates, patience, 0
        self.first, self.second = torch.zeros_like(variables), torch.zeros_like(variables)
        self.scale = torch.ones_like(variables[:, 0])
        self.best, self.waited = torch.full_like(self.scale, torch.inf), torch.zeros_like(self.scale)

    def step(self, variables: Float[Tensor, "b d"], slope: Float[Tensor, "b d"], loss: Float[Tensor, "b"]) -> None:
        """Move the variables in place; `loss` tells whether a pose makes progress."""
        self._watch(loss)
        self.count += 1
        self.first.mul_(0.9).add_(slope, alpha=0.1)
        self.second.mul_(0.999).addcmul_(slope, slope, value=0.001)
        mean = self.first / (1 - 0.9**self.count)
        spread = (self.second / (1 - 0.999**self.count)).sqrt_().add_(EPSILON)
        variables -= self.scale[:, None] * self.rates * mean / spread

    def judge_anew(self) -> None:
        """The loss now measures something else: progress is counted from here."""
        self.best.fill_(torch.inf)
        self.waited.zero_()

    def start_over(self, chosen: Bool[Tensor, "b"]) -> None:
        """Poses that were moved by other means lose their momentum and get their first learning rate back."""
        self.first[chosen] = 0
        self.second[chosen] *= 0.01
        self.scale[chosen] = 1

    def _watch(self, loss: Float[Tensor, "b"]) -> None:
        better = loss < self.best * (1 - 1e-4)
        self.best = torch.where(better, loss, self.best)
        self.waited = torch.where(better, 0.0, self.waited + 1)
        tired = self.waited > self.patience
        self.scale = torch.where(tired, (self.scale / 2).clamp_min(FLOOR), self.scale)
        self.waited = torch.where(tired, 0.0, self.waited)

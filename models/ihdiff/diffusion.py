"""Noise and its removal: the forward process (Eq. 1), the schedule, and Alg. 1 with what it is conditioned on.

The schedule is diffusers' cosine one, T = 1000; the network predicts clean hands, nothing is clipped. Steps are counted 0 … T−1
as diffusers does; the paper's step n is n − 1 here. The way from step to step is written out: diffusers' DDIM assumes that N
divides T, goes to another step than the next one where it does not, and takes one step too many for some N.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.ihdiff.network import CleanHands, Denoiser
from models.ihdiff.representation import COLUMNS, LEFT, RIGHT, ROWS

STEPS = 1000
"""T."""


@dataclass(frozen=True)
class Condition:
    """Entries that are known: they overwrite what the network believes at every step (§4.2)."""

    known: Bool[Tensor, "b 42 9"]
    scaled: Float[Tensor, "b 42 9"]
    """Their values, standardised; ignored elsewhere."""

    def overwrite(self, scaled: Float[Tensor, "b 42 9"]) -> Float[Tensor, "b 42 9"]:
        """The same hands with the known entries put in."""
        return torch.where(self.known, self.scaled, scaled)

    @staticmethod
    def right(scaled: Float[Tensor, "b 42 9"]) -> "Condition":
        """The right hand is known."""
        return Condition.joints(scaled, list(range(ROWS))[RIGHT])

    @staticmethod
    def left(scaled: Float[Tensor, "b 42 9"]) -> "Condition":
        """The left hand is known, and how it lies beside the right wrist (appendix A.2)."""
        return Condition.joints(scaled, list(range(ROWS))[LEFT])

    @staticmethod
    def joints(scaled: Float[Tensor, "b 42 9"], rows: list[int]) -> "Condition":
        """Any joints are known, places and rotations; rows of the matrix."""
        known = torch.zeros_like(scaled, dtype=torch.bool)
        known[:, rows] = True
        return Condition(known, scaled)


class Schedule:
    """ᾱ of every step and DDIM's way from one to the next."""

    def __init__(self, inference_steps: int = STEPS) -> None:
        """`inference_steps` is N of Alg. 1: how many of the T steps are taken, evenly, from the noisiest on.

        Raises:
            ValueError: N is not in 1 … T.
        """
        from diffusers.schedulers import DDIMScheduler  # the `train` extra; not needed to import this module

        if not 1 <= inference_steps <= STEPS:
            raise ValueError(f"{inference_steps} sampling steps; must be between 1 and {STEPS}")
        self._ddim = DDIMScheduler(num_train_timesteps=STEPS, beta_schedule="squaredcos_cap_v2")
        self.alphas = self._ddim.alphas_cumprod
        """ᾱ of steps 0 … T−1."""
        self.steps = [round(STEPS * left / inference_steps) - 1 for left in range(inference_steps, 0, -1)]
        """From the noisiest to the cleanest that is taken, after which nothing is noise."""
        after = [self.alphas[step].item() for step in self.steps[1:]] + [1.0]
        self._after = dict(zip(self.steps, after, strict=True))

    def noised(
        self, clean: Float[Tensor, "b 42 9"], noise: Float[Tensor, "b 42 9"], step: Int[Tensor, "b"]
    ) -> Float[Tensor, "b 42 9"]:
        """X_t = √ᾱ_t X_0 + √(1 − ᾱ_t) ε (Eq. 1)."""
        return self._ddim.add_noise(clean, noise, step)

    def next(
        self, noised: Float[Tensor, "b 42 9"], clean: Float[Tensor, "b 42 9"], step: int
    ) -> Float[Tensor, "b 42 9"]:
        """Lines 3 and 4 of Alg. 1: from X at one of `steps` to X at the one after it; slopes go through."""
        alpha, after = self.alphas[step].item(), self._after[step]
        noise = (noised - math.sqrt(alpha) * clean) / math.sqrt(1 - alpha)
        return math.sqrt(after) * clean + math.sqrt(1 - after) * noise


class Samples(NamedTuple):
    """Hands that were drawn."""

    scaled: Float[Tensor, "b 42 9"]
    betas: Float[Tensor, "b 20"]


@torch.no_grad()
def sample(
    network: Denoiser,
    schedule: Schedule,
    noise: Float[Tensor, "b 42 9"],
    condition: Condition | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Samples:
    """Alg. 1: hands from noise; where there is a condition, its entries are kept exactly (§4.2).

    Args:
        noise: X_N, standard normal.
        on_step: hears 1 after each step.
    """
    x, believed = noise, CleanHands(noise, noise.new_zeros(len(noise), 20))
    for step in schedule.steps:
        believed = network(x, torch.full((len(x),), step, device=x.device))
        clean = condition.overwrite(believed.scaled) if condition else believed.scaled
        x = schedule.next(x, clean, step)
        if on_step:
            on_step(1)
    clean = condition.overwrite(believed.scaled) if condition else believed.scaled
    return Samples(clean, network.shape(clean) if condition else believed.betas)


def standard_noise(count: int, generator: torch.Generator) -> Float[Tensor, "{count} 42 9"]:
    """X_N; on the CPU, so that a seed means the same hands on every device."""
    return torch.randn(count, ROWS, COLUMNS, generator=generator)

"""One training step of IHDiff and of its VAE baseline, from poses to weighted loss terms."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from models.ihdiff.diffusion import STEPS, Schedule
from models.ihdiff.losses import Losses, Truth
from models.ihdiff.representation import COLUMNS, ROWS


class Batch(NamedTuple):
    """Hands to learn from."""

    x: Float[Tensor, "b 42 9"]
    """Metres and rotations."""
    betas: Float[Tensor, "b 20"]


def denoising_terms(
    network: torch.nn.Module, batch: Batch, losses: Losses, schedule: Schedule, generator: torch.Generator
) -> dict[str, Float[Tensor, ""]]:
    """Noise each hand pair to a step of its own, uniform over all T, and compare what the network makes of it (§3.1–3.3).

    Args:
        network: `Denoiser`, or a wrapper of one.
        generator: on the CPU, decides steps and noise.
    """
    count, device = len(batch.x), batch.x.device
    step = torch.randint(STEPS, (count,), generator=generator).to(device)
    noise = torch.randn(count, ROWS, COLUMNS, generator=generator).to(device)
    noised = schedule.noised(losses.standard.scale(batch.x), noise, step)
    return losses(network(noised, step), Truth(batch.x, batch.betas), -step.float())

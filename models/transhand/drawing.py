"""First weights, every one drawn from a generator that the caller gives."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

FREQUENCY = 1.5
"""Standard deviation of the waves' numbers, radians to a unit: places two thirds of a unit apart begin to differ much."""


def draw(module: nn.Module, generator: torch.Generator) -> None:
    """Fill a network of this project that was built on the meta device; it is on the CPU then.

    Matrices are Xavier-uniform, convolutions Kaiming-normal, biases zero, normalisations one; what else there is stays empty.
    Where the meta device is the default even now, only shapes are asked for, and nothing is filled.
    """
    if torch.get_default_device().type == "meta":
        return
    module.to_empty(device="cpu")
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight, generator=generator)
        elif isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(part, nn.LayerNorm | nn.BatchNorm2d):
            part.reset_parameters()
        if isinstance(part, nn.Linear | nn.Conv2d) and part.bias is not None:
            nn.init.zeros_(part.bias)


@torch.no_grad()
def place(tokens: Float[Tensor, "n c"], points: Float[Tensor, "n d"], generator: torch.Generator) -> None:
    """Fill parameters that say where each token stands, from where it does stand, in [−1, 1]ᵈ.

    Random Fourier features (Rahimi & Recht, NIPS 2007): neighbours begin alike, and what is smooth over a surface is linear in
    them. Were they drawn one by one, as in the authors' release, where nodes are would first have to be learnt by heart.
    """
    if tokens.is_meta:
        return
    waves = FREQUENCY * torch.randn(points.shape[1], tokens.shape[1], generator=generator)
    phases = 2 * math.pi * torch.rand(tokens.shape[1], generator=generator)
    tokens.copy_(math.sqrt(2) * torch.sin(points @ waves + phases))


def redraw(body: nn.Module, spread: float | None, generator: torch.Generator) -> None:
    """Draw again what a library drew from torch's global state; constants, such as a normalisation's, stay.

    Args:
        body: as the library made it.
        spread: standard deviation of all weights; None for Kaiming-normal convolutions and Xavier-uniform matrices.
    """
    for part in body.modules():
        for name, weight in part.named_parameters(recurse=False):
            if isinstance(part, nn.Linear | nn.Conv2d) and name == "bias":
                nn.init.zeros_(weight)
            elif bool((weight == weight.flatten()[0]).all()):
                continue
            elif spread is not None:
                nn.init.trunc_normal_(weight, std=spread, generator=generator)
            elif weight.ndim > 2:
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)
            elif weight.ndim == 2:
                nn.init.xavier_uniform_(weight, generator=generator)

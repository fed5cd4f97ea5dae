"""Where a natural discriminator moves poses: down the slope of (D(Θ) − 1)², RenderIH Eq. 8."""

import torch
from jaxtyping import Float
from torch import Tensor

from hands.anatomy import anatomical_rotations, limits, movable
from models.discriminator import NaturalDiscriminator
from models.labelled_poses import LabelConfig, LabelledPoses, nearest, probability, twist

RESTART = 0.25
"""Share of the explorers that begin anew each time."""


@torch.no_grad()
def probability_of(network: NaturalDiscriminator, angles: Float[Tensor, "*b 15 3"]) -> Float[Tensor, "*b"]:
    """What the network says of joint angles."""
    return network(anatomical_rotations(angles))


def slope(network: NaturalDiscriminator, angles: Float[Tensor, "n 15 3"]) -> Float[Tensor, "n 15 3"]:
    """Gradient of Eq. 8's loss by the movable angles, per radian; zero for the others."""
    variable = angles.detach().requires_grad_()
    loss = (network(anatomical_rotations(variable)) - 1).square()
    return torch.autograd.grad(loss.sum(), variable)[0] * movable()


def descend(
    network: NaturalDiscriminator, angles: Float[Tensor, "n 15 3"], steps: int = 200, rate: float = 0.01
) -> Float[Tensor, "n 15 3"]:
    """Follow the slope with Adam, kept inside the limits."""
    low, high = limits(angles.dtype)
    moved = angles.clone()
    adam = torch.optim.Adam([moved], lr=rate)
    for _ in range(steps):
        moved.grad = slope(network, moved)
        adam.step()
        moved.clamp_(low, high)
    return moved


class Explorers:
    """Poses that follow the slope of a network while it learns, so that it hears of every place where it leads poses astray.

    Without them a network can be right about all labelled poses and still lead random ones to unnatural poses that it calls
    natural: nothing that it learns from is there.
    """

    def __init__(self, poses: LabelledPoses, count: int, config: LabelConfig, draws: torch.Generator) -> None:
        """They begin at random unnatural ones of the poses."""
        self.unnatural, self.natural = poses.angles[poses.offsets > 0], poses.angles[poses.offsets == 0]
        self.config, self.draws = config, draws
        self.angles = self._beginnings(count)

    def explore(self, network: NaturalDiscriminator, steps: int = 10, rate: float = 0.05) -> LabelledPoses:
        """Where they are a few steps on, labelled by the distance to the nearest natural pose."""
        self.angles = descend(network, self.angles, steps, rate)
        offsets = nearest(self.angles, self.natural)
        labels = probability(offsets, self.config.half_degrees)
        found = LabelledPoses.of(twist(self.angles, self.config, self.draws), labels, offsets)
        again = torch.rand(len(self.angles), generator=self.draws) < RESTART
        self.angles = torch.where(again[:, None, None], self._beginnings(len(again)), self.angles)
        return found

    def _beginnings(self, count: int) -> Float[Tensor, "{count} 15 3"]:
        return self.unnatural[torch.randint(len(self.unnatural), (count,), generator=self.draws)]

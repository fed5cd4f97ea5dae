"""What pose optimisation asks of a judge of naturalness; `models.discriminator` is one."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

Naturalness = Callable[[Float[Tensor, "*b 15 3 3"]], Float[Tensor, "*b"]]
"""From a hand's joint rotations in their anatomical frames to the probability that the pose is natural."""


def adversarial_loss(probability: Float[Tensor, "b 2"]) -> Float[Tensor, "b"]:
    """L_adv of RenderIH Eq. 8 over both hands: Σ (D(Θ) − 1)²."""
    return (probability - 1).square().sum(-1)

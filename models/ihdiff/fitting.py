"""Fitting to observations (Alg. 2): sampling that is guided by the slope of a distance to what is observed (§4.3, appendix B).

As in diffusion posterior sampling (Chung et al., ICLR 2023), every step of Alg. 1 is followed by one against the slope, taken
with respect to the noised hands and through the network, of the distance of the hands that it believes in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hands.joints import Side
from hands.model import HandModel
from models.ihdiff.diffusion import STEPS, Schedule, standard_noise
from models.ihdiff.distance import Distance, TermWeights
from models.ihdiff.network import CleanHands
from models.ihdiff.observations import Observations, check
from models.ihdiff.placing import Orthographic
from models.ihdiff.representation import PackedHands, Placement, Standard, at_origin

Hands = dict[Side, HandModel]


@dataclass(frozen=True)
class FitConfig:
    """How hands are fitted; the defaults are the paper's for joints in space (appendix B.1)."""

    steps: int = STEPS
    """N of Alg. 2: noise levels, evenly over all of them."""
    weight: float = 1000.0
    """Of the distance, metres."""
    step_size: float = 1.0
    """λ, by which the slope is multiplied; 10 in the paper for a regressor's answer (appendix B.2)."""
    later: float = 0.1
    """Step sizes are multiplied by it …"""
    settle: float = 0.75
    """… after this share of the steps."""
    placement_step: float = 0.01
    """Size of a step of the right wrist's rotation and place in the world and of the camera: radians, metres, shares."""
    start: float = 1.0
    """Share of the noise levels that is gone through, ending at the cleanest; below 1 only from a regressor's answer."""
    longest: float = 0.0
    """Largest length of a guiding step, over all 378 numbers of a hand pair; 0: not limited, as in the paper."""
    weights: TermWeights = field(default_factory=TermWeights)
    """Of the terms of the distance."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= STEPS:
            raise ValueError(f"fit.steps is {self.steps}, must be between 1 and {STEPS}")
        for name in ("weight", "step_size", "later", "placement_step", "longest"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"fit.{name} is {getattr(self, name)}, must be 0 or more")
        if not 0 < self.start <= 1 or not 0 <= self.settle <= 1:
            raise ValueError("fit.start must lie above 0 and not above 1, fit.settle in [0, 1]")


class Fitted(NamedTuple):
    """Hands that were fitted."""

    scaled: Float[Tensor, "b 42 9"]
    betas: Float[Tensor, "b 20"]
    placement: Placement
    """Of the right wrist in the world; the origin, unturned, where all was seen from it."""
    distance: Float[Tensor, "b"]
    """What is left of g, metres, its weight of 1000 left out."""
    camera: Orthographic | None = None
    """That was fitted too, if one was."""

    def packed(self, standard: Standard) -> PackedHands:
        """The same for `models.ihdiff.representation.unpack`."""
        return PackedHands(standard.restore(self.scaled), self.betas, self.placement)


def fit(
    network: nn.Module,
    standard: Standard,
    hands: Hands,
    observations: Observations,
    config: FitConfig,
    generator: torch.Generator,
    on_step: Callable[[int], None] | None = None,
) -> Fitted:
    """Alg. 2: hands that the network finds likely and that agree with what is observed.

    Starts at noise, or at a regressor's answer that is noised by Eq. 1. What comes of a hand pair depends on it and on its
    noise alone, which is drawn in the batch's order.

    Args:
        network: `Denoiser`, frozen, in evaluation mode, or anything that is called as it is.
        generator: on the CPU, decides the noise.
        on_step: hears 1 after each step.

    Raises:
        ValueError: the observations are no good (see `models.ihdiff.observations.check`), `start` is below 1 without a
            regressor's answer, or the steps are too large and hands became no numbers.
    """
    count = check(observations, hands)
    if config.start < 1 and observations.regressed is None:
        raise ValueError(f"fit.start is {config.start} without a regressor's answer: give one, or start at 1")
    schedule = Schedule(config.steps)
    levels = schedule.steps[-max(1, round(config.start * config.steps)) :]
    distance = Distance(observations, hands, standard, config.weights)
    x = _noised(schedule, levels[0], standard, observations, standard_noise(count, generator))
    for done, level in enumerate(levels):
        believed, left, slopes = guide(network, x, level, standard, distance)
        factor = config.later if done >= config.settle * len(levels) else 1.0
        with torch.no_grad():
            step = _limited(factor * config.step_size * config.weight * slopes[0], config.longest)
            x = schedule.next(x, believed.scaled, level) - step
        if on_step:
            on_step(1)
        if distance.view and level != levels[-1]:
            distance.view.move(slopes[1:], factor * config.placement_step)
    return fitted(believed, left, distance)


def guide(
    network: nn.Module, x: Float[Tensor, "b 42 9"], level: int, standard: Standard, distance: Distance
) -> tuple[CleanHands, Float[Tensor, "b"], list[Tensor]]:
    """What the network believes, its distance in metres, and the distance's slopes: to the noised hands, then to the view.

    A pair whose slope is no number, as where columns of a rotation vanish, is not guided in this step.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        believed = network(x, torch.full((len(x),), level, device=x.device))
        left = distance(standard.restore(believed.scaled), believed.betas)
        numbers = distance.view.numbers if distance.view else []
        slopes = torch.autograd.grad(left.sum(), [x, *numbers], materialize_grads=True)
    return CleanHands(*(value.detach() for value in believed)), left.detach(), [_sound(slope) for slope in slopes]


def fitted(clean: CleanHands, left: Float[Tensor, "b"], distance: Distance) -> Fitted:
    """The outcome of a fit.

    Raises:
        ValueError: some of it is no number.
    """
    finite = clean.scaled.flatten(1).isfinite().all(-1) & clean.betas.isfinite().all(-1) & left.isfinite()
    if not finite.all():
        rows = (~finite).nonzero()[:, 0].tolist()
        raise ValueError(
            f"the fit of {len(rows)} of {len(left)} hand pairs (the first is {rows[0]}) left all numbers: take smaller steps"
        )
    if distance.view:
        placement, camera = distance.view.now()
        return Fitted(clean.scaled, clean.betas, placement, left, camera)
    return Fitted(clean.scaled, clean.betas, at_origin(clean.scaled, clean.betas).placement, left)


def _noised(
    schedule: Schedule, level: int, standard: Standard, observations: Observations, noise: Float[Tensor, "b 42 9"]
) -> Float[Tensor, "b 42 9"]:
    """X_N."""
    noise = noise.to(standard.mean)
    if observations.regressed is None:
        return noise
    start = standard.scale(observations.regressed.x)
    return schedule.noised(start, noise, torch.full((len(start),), level, device=start.device))


def _sound(slope: Float[Tensor, "b *c"]) -> Float[Tensor, "b *c"]:
    """Zero for pairs in which it is no number."""
    good = slope.reshape(len(slope), -1).isfinite().all(-1)
    return torch.where(good.view(-1, *[1] * (slope.ndim - 1)), slope, 0.0)


def _limited(step: Float[Tensor, "b 42 9"], longest: float) -> Float[Tensor, "b 42 9"]:
    """The same step, shortened for pairs for which it is too long."""
    if not longest:
        return step
    length = step.flatten(1).norm(dim=-1)[:, None, None]
    return step * (longest / length.clamp_min(longest))

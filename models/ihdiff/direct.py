"""Baselines that fit by plain optimisation: the VAE's latent hands, and a regressor's answer itself (appendix B).

Both minimise the distance of Alg. 2. The paper gives the sizes of their steps, 0.01 and later 0.001, and not the optimiser. It
is Adam here, whose steps have these sizes whatever the distance is multiplied by, and which looks at each number alone, so that
pairs of a batch do not depend on each other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.ihdiff.distance import Distance, TermWeights
from models.ihdiff.fitting import Fitted, Hands, fitted
from models.ihdiff.losses import Offsets
from models.ihdiff.network import CleanHands
from models.ihdiff.observations import Observations, check
from models.ihdiff.representation import Standard, constant_entries, surfaces
from models.ihdiff.vae import VAE, latent_noise


@dataclass(frozen=True)
class DirectConfig:
    """How the baselines are fitted; the defaults are the paper's."""

    steps: int = 1000
    """Of the optimiser."""
    step_size: float = 0.01
    """Of latent numbers, of entries of the matrix and shape coefficients, and of the placement and camera."""
    later: float = 0.1
    """Step sizes are multiplied by it …"""
    settle: float = 0.75
    """… after this share of the steps."""
    collision: float = 0.1
    """Weight, against a distance in metres, of collisions when a regressor's answer is fitted: metres summed over vertices."""
    weights: TermWeights = field(default_factory=TermWeights)
    """Of the terms of the distance."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 <= self.settle <= 1:
            raise ValueError("direct.steps must be 1 or more, direct.settle in [0, 1]")
        for name in ("step_size", "later", "collision"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"direct.{name} is {getattr(self, name)}, must be 0 or more")


def fit_vae(
    network: VAE,
    standard: Standard,
    hands: Hands,
    observations: Observations,
    config: DirectConfig,
    generator: torch.Generator,
    on_step: Callable[[int], None] | None = None,
) -> Fitted:
    """The VAE's hands that agree best with what is observed, from a random latent sample or from the regressor's answer.

    Args:
        network: frozen, in evaluation mode.
        generator: on the CPU, decides the sample.
        on_step: hears 1 after each step.

    Raises:
        ValueError: the observations are no good (see `models.ihdiff.observations.check`), or hands became no numbers.
    """
    count = check(observations, hands)
    distance = Distance(observations, hands, standard, config.weights)
    start = latent_noise(network.config, count, generator).to(standard.mean)
    if observations.regressed:
        with torch.no_grad():
            start = network.encode(standard.scale(observations.regressed.x)).mean

    def measure(z: Tensor) -> tuple[CleanHands, Tensor]:
        clean = network.decode(z)
        return clean, distance(standard.restore(clean.scaled), clean.betas)

    (z,) = _descend([start], lambda z: measure(z)[1], distance, config, on_step)
    with torch.no_grad():
        return fitted(*measure(z), distance)


def regress_collisions(
    standard: Standard,
    hands: Hands,
    observations: Observations,
    offsets: Offsets,
    config: DirectConfig,
    on_step: Callable[[int], None] | None = None,
) -> Fitted:
    """A regressor's answer that was moved out of collisions, near to what is observed ("Col. reg.").

    Both hands' rotations, their shapes, and how the left wrist lies to the right one are fitted; the right wrist stays where
    the regressor has it. The joints of the outcome are those of its surfaces.

    Args:
        offsets: finds collisions.
        on_step: hears 1 after each step.

    Raises:
        ValueError: there is no regressor's answer, the observations are no good, or hands became no numbers.
    """
    check(observations, hands)
    if observations.regressed is None:
        raise ValueError("collisions are taken out of a regressor's answer, and there is none: give one")
    distance = Distance(observations, hands, standard, config.weights)
    start, varies = observations.regressed, ~constant_entries().to(observations.regressed.x.device)

    def measure(x: Tensor, betas: Tensor) -> Tensor:
        x = torch.where(varies, x, start.x)
        posed = surfaces(x, betas, hands)
        found = offsets(posed.right, posed.left).abs().sum((1, 2))
        return distance.of(x, posed) + config.collision * found

    x, betas = _descend([start.x, start.betas], measure, distance, config, on_step, placed=False)
    with torch.no_grad():
        x = torch.where(varies, x, start.x)
        left = distance(x, betas)
        x = torch.where(varies, torch.cat([surfaces(x, betas, hands).joints, x[..., 3:]], dim=-1), x)
        return fitted(CleanHands(standard.scale(x), betas), left, distance)


def _descend(
    start: list[Tensor],
    measure: Callable[..., Tensor],
    distance: Distance,
    config: DirectConfig,
    on_step: Callable[[int], None] | None,
    placed: bool = True,
) -> list[Tensor]:
    """What minimises a measure of each pair, and the view with it unless that stays; by Adam."""
    found = [value.detach().clone().requires_grad_() for value in start]
    adam = torch.optim.Adam(found)
    for done in range(config.steps):
        step = config.step_size * (config.later if done >= config.settle * config.steps else 1.0)
        with torch.enable_grad():
            total = measure(*found).sum()
            view = distance.view.numbers if distance.view and placed else []
            slopes = torch.autograd.grad(total, [*found, *view], materialize_grads=True)
        for value, slope in zip(found, slopes, strict=False):
            value.grad = slope
        adam.param_groups[0]["lr"] = step
        adam.step()
        if view:
            distance.view.move(list(slopes[len(found) :]), step)
        if on_step:
            on_step(1)
    return [value.detach() for value in found]

"""What fits are tried on: true joints, and the three ways of spoiling them (§5.4, "Simulated noisy targets")."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.ihdiff.representation import JOINTS, ROWS

Kind = Literal["clean", "jitter", "swap", "partial"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class SpoilConfig:
    """How much joints are spoilt; the defaults are the paper's."""

    jitter: float = 0.01
    """Standard deviation of each coordinate's noise, metres."""
    swapped: Literal["same", "any"] = "same"
    """same: a joint of the right hand changes places with the same one of the left, as in the paper; any: with any."""
    hidden: int = 4
    """Joints, of both hands' 42, that are not seen."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not 0 <= self.jitter < float("inf"):
            raise ValueError(f"jitter is {self.jitter}, must be 0 metres or more")
        if not 0 <= self.hidden < ROWS:
            raise ValueError(f"hidden is {self.hidden}: of {ROWS} joints, 0 to {ROWS - 1} can be hidden")
        if self.swapped not in ("same", "any"):
            raise ValueError(f"swapped is '{self.swapped}'; joints change places with 'same' or 'any'")


class Targets(NamedTuple):
    """Joints to fit to."""

    joints: Float[Tensor, "b 42 3"]
    """Metres; where not seen, still those that were given."""
    seen: Bool[Tensor, "b 42"]


def spoil(
    kind: Kind, joints: Float[Tensor, "b 42 3"], generator: torch.Generator, config: SpoilConfig | None = None
) -> Targets:
    """Targets made of true joints, seen from the right wrist.

    Each hand pair draws after the one before it, so that a shorter batch of the same seed has the same targets.

    Args:
        generator: on the CPU; a fresh one with the same seed gives every method the same targets.

    Raises:
        ValueError: there is no such kind.
    """
    spoilers: dict[str, Callable] = {"clean": _clean, "jitter": _jitter, "swap": _swap, "partial": _partial}
    if kind not in spoilers:
        raise ValueError(f"there are no '{kind}' targets, only {', '.join(KINDS)}")
    config = config or SpoilConfig()
    pairs = [spoilers[kind](pair, generator, config) for pair in joints]
    if not pairs:
        return Targets(joints, torch.ones_like(joints[..., 0], dtype=torch.bool))
    return Targets(*(torch.stack(values) for values in zip(*pairs, strict=True)))


def _clean(joints: Float[Tensor, "42 3"], generator: torch.Generator, config: SpoilConfig) -> Targets:
    return Targets(joints, torch.ones(ROWS, dtype=torch.bool, device=joints.device))


def _jitter(joints: Float[Tensor, "42 3"], generator: torch.Generator, config: SpoilConfig) -> Targets:
    noise = torch.randn(ROWS, 3, generator=generator).to(joints)
    return _clean(joints + config.jitter * noise, generator, config)


def _swap(joints: Float[Tensor, "42 3"], generator: torch.Generator, config: SpoilConfig) -> Targets:
    right, left = torch.randint(JOINTS, (2,), generator=generator).tolist()
    if config.swapped == "same":
        left = right
    order = torch.arange(ROWS)
    order[right], order[JOINTS + left] = JOINTS + left, right
    return _clean(joints[order.to(joints.device)], generator, config)


def _partial(joints: Float[Tensor, "42 3"], generator: torch.Generator, config: SpoilConfig) -> Targets:
    seen = torch.ones(ROWS, dtype=torch.bool)
    seen[torch.randperm(ROWS, generator=generator)[: config.hidden]] = False
    return Targets(joints, seen.to(joints.device))

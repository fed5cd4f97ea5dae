"""The denoising network f of IHDiff: from noised hands and the noise step to clean hands (paper §3.2, appendix C).

Each hand's 21 joints and the step are 22 tokens. Self-attention within a hand, cross-attention from each hand to the other, and
self-attention again; every box of the paper's Fig. 2 is a stack of `depth` layers (the paper gives no number). The shape
estimator reads the clean matrix alone: shape goes out of the network, never in.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.ihdiff.representation import COLUMNS, JOINTS, LEFT, RIGHT, ROWS, constant_entries

POSITIONS = ("place", "learnt")
"""Names of parameters that are tokens or say where a token stands."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    attention: Literal["cross", "self"] = "cross"
    """cross: the paper's network; self: its ablation "SA only", one stack over both hands' tokens with as many layers."""
    width: int = 256
    """Numbers in a token."""
    heads: int = 4
    """Attention heads; they divide the width."""
    depth: int = 4
    """Layers in each of the six attention stacks; the paper does not say how many."""
    ratio: int = 4
    """Width of a layer's hidden part over the token's."""
    dropout: float = 0.1
    """Share of activations dropped in training."""
    shape_width: int = 256
    """Hidden width of the shape estimator."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.attention not in ("cross", "self"):
            raise ValueError(f"network.attention is '{self.attention}', must be cross or self")
        if self.width < 2 or self.heads < 1 or self.width % self.heads or self.width % 2:
            raise ValueError(
                f"network.width is {self.width}: must be even and a multiple of network.heads ({self.heads})"
            )
        if self.depth < 1 or self.ratio < 1 or self.shape_width < 1 or not 0 <= self.dropout < 1:
            raise ValueError("network.depth, ratio and shape_width must be 1 or more, dropout in [0, 1)")


class CleanHands(NamedTuple):
    """What the network believes the hands to be."""

    scaled: Float[Tensor, "b 42 9"]
    """As the network has them: standardised, see `models.ihdiff.representation.Standard`."""
    betas: Float[Tensor, "b 20"]
    """Shape coefficients of both hands, the right one's first."""


class Denoiser(nn.Module):
    """The network f (Eq. 2)."""

    def __init__(self, config: NetworkConfig | None = None, generator: torch.Generator | None = None) -> None:
        """Weights are drawn from `generator`, from a fixed one when none is given."""
        super().__init__()
        self.config = config = config or NetworkConfig()
        with torch.device("meta"):
            self.enter = nn.ModuleList(nn.Linear(COLUMNS, config.width) for _ in range(2))
            self.step = nn.Sequential(
                nn.Linear(config.width, config.width), nn.SiLU(), nn.Linear(config.width, config.width)
            )
            self.mixer = Crossing(config) if config.attention == "cross" else Joined(config)
            self.leave = nn.ModuleList(nn.Linear(config.width, COLUMNS) for _ in range(2))
            self.shape = ShapeEstimator(config.shape_width)
        initialise(self, generator or torch.Generator().manual_seed(0))

    def forward(self, noised: Float[Tensor, "b 42 9"], step: Int[Tensor, "b"]) -> CleanHands:
        """Clean hands from those at noise step `step`, 0 … T−1 (the paper counts 1 … T)."""
        time = self.step(sinusoid(step, self.config.width).to(noised.dtype))[:, None]
        right, left = (enter(noised[:, rows]) for enter, rows in zip(self.enter, (RIGHT, LEFT), strict=True))
        right, left = self.mixer(time, right, left)
        scaled = leave_tokens(self.leave, right, left)
        return CleanHands(scaled, self.shape(scaled))


def leave_tokens(
    leave: nn.ModuleList, right: Float[Tensor, "b 21 c"], left: Float[Tensor, "b 21 c"]
) -> Float[Tensor, "b 42 9"]:
    """The matrix of both hands' tokens, in float32 whatever they are in; entries that never vary are 0, as they are scaled."""
    with torch.autocast(right.device.type, enabled=False):
        hands = [layer(hand.to(layer.weight)) for layer, hand in zip(leave, (right, left), strict=True)]
        scaled = torch.cat(hands, dim=1)
        return scaled.masked_fill(constant_entries().to(scaled.device), 0.0)


class Crossing(nn.Module):
    """Self-attention in each hand, cross-attention between them, self-attention again: four SA and two CA stacks.

    Tokens are normalised once, after the last stack: normalised after each, they lose how large their numbers were, which a
    denoiser must tell to the last digit.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.empty(2, 1 + JOINTS, config.width))
        self.first = nn.ModuleList(SelfAttention(config) for _ in range(2))
        self.cross = nn.ModuleList(CrossAttention(config) for _ in range(2))
        self.second = nn.ModuleList(SelfAttention(config) for _ in range(2))
        self.norm = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(2))

    def forward(
        self, time: Float[Tensor, "b 1 c"], right: Float[Tensor, "b 21 c"], left: Float[Tensor, "b 21 c"]
    ) -> tuple[Float[Tensor, "b 21 c"], Float[Tensor, "b 21 c"]]:
        """Both hands' joint tokens, enhanced."""
        tokens = [torch.cat([time, hand], dim=1) + place for hand, place in zip((right, left), self.place, strict=True)]
        alone = [attend(hand) for attend, hand in zip(self.first, tokens, strict=True)]
        met = [self.cross[0](alone[0], alone[1]), self.cross[1](alone[1], alone[0])]
        right, left = (
            norm(attend(hand)[:, 1:]) for norm, attend, hand in zip(self.norm, self.second, met, strict=True)
        )
        return right, left


class Joined(nn.Module):
    """The ablation "SA only": self-attention over all 1 + 42 tokens, as many layers as `Crossing` has."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.empty(1 + ROWS, config.width))
        self.all = SelfAttention(config, 6 * config.depth)
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self, time: Float[Tensor, "b 1 c"], right: Float[Tensor, "b 21 c"], left: Float[Tensor, "b 21 c"]
    ) -> tuple[Float[Tensor, "b 21 c"], Float[Tensor, "b 21 c"]]:
        """Both hands' joint tokens, enhanced."""
        tokens = self.norm(self.all(torch.cat([time, right, left], dim=1) + self.place)[:, 1:])
        return tokens[:, RIGHT], tokens[:, LEFT]


class SelfAttention(nn.Module):
    """A stack of pre-norm Transformer encoder layers with GELU; what follows the last stack normalises."""

    def __init__(self, config: NetworkConfig, depth: int = 0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_encoder_layer(config) for _ in range(depth or config.depth))

    def forward(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """Enhanced tokens."""
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens


class CrossAttention(nn.Module):
    """A stack of pre-norm layers in which one hand's tokens ask the other's; not normalised at its end."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossLayer(config) for _ in range(config.depth))

    def forward(self, asking: Float[Tensor, "b n c"], asked: Float[Tensor, "b m c"]) -> Float[Tensor, "b n c"]:
        """The asking hand's tokens, enhanced by the other's."""
        for layer in self.layers:
            asking = layer(asking, asked)
        return asking


class CrossLayer(nn.Module):
    """q + attention(q → other), then a perceptron, both on normalised tokens."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, hidden = config.width, config.ratio * config.width
        self.norm_asking, self.norm_asked, self.norm_hidden = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, config.heads, config.dropout, batch_first=True)
        self.perceptron = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, asking: Float[Tensor, "b n c"], asked: Float[Tensor, "b m c"]) -> Float[Tensor, "b n c"]:
        """One layer."""
        other = self.norm_asked(asked)
        heard, _ = self.attention(self.norm_asking(asking), other, other, need_weights=False)
        asking = asking + self.dropout(heard)
        return asking + self.dropout(self.perceptron(self.norm_hidden(asking)))


class ShapeEstimator(nn.Module):
    """Shape coefficients of both hands from the clean matrix (paper §3.2): 378 → `width` → ReLU → 20."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(ROWS * COLUMNS, width), nn.ReLU(), nn.Linear(width, 20))

    def forward(self, scaled: Float[Tensor, "b 42 9"]) -> Float[Tensor, "b 20"]:
        """Coefficients, the right hand's first."""
        return self.layers(scaled.flatten(1))


def sinusoid(step: Int[Tensor, "b"], width: int) -> Float[Tensor, "b {width}"]:
    """Trigonometric encoding of noise steps (Vaswani et al. 2017): sines, then cosines, of `width`/2 frequencies."""
    frequencies = torch.exp(-math.log(10_000) * torch.arange(width // 2, device=step.device) / (width // 2))
    angles = step[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _encoder_layer(config: NetworkConfig) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        config.width,
        config.heads,
        config.ratio * config.width,
        config.dropout,
        nn.functional.gelu,
        batch_first=True,
        norm_first=True,
    )


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Give a module that was built on the meta device its first weights, all drawn from `generator`.

    Matrices are Xavier-uniform, positions normal with σ = 0.02, biases zero, normalisations one.
    """
    module.to_empty(device="cpu")
    for name, parameter in module.named_parameters():
        last = name.rsplit(".", 1)[-1]
        if last in POSITIONS:
            nn.init.normal_(parameter, std=0.02, generator=generator)
        elif parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter, generator=generator)
        else:
            nn.init.constant_(parameter, 1.0 if last == "weight" else 0.0)

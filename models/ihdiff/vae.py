"""The baseline that IHDiff is compared with: a variational autoencoder of the same matrices (paper, appendix E.1).

Encoder: 7 learnt tokens and the 42 joints' go through Transformer layers; each of the 7 becomes the mean and the spread of one
latent token. Decoder: 42 learnt tokens ask the latent ones. The paper gives layers and widths; how the decoder asks is that of
MLD (Xin et al., CVPR 2023), which it follows. Attention cannot tell the latent tokens of a random sample apart, so each has a
learnt place here, which the paper does not mention. The shape estimator is IHDiff's.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.ihdiff.diffusion import Samples
from models.ihdiff.learning import Batch
from models.ihdiff.losses import Losses, Truth
from models.ihdiff.network import CleanHands, NetworkConfig, SelfAttention, ShapeEstimator, initialise, leave_tokens
from models.ihdiff.representation import COLUMNS, LEFT, RIGHT, ROWS


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the baseline and the weight of its prior."""

    width: int = 256
    """Numbers in a token, latent ones too."""
    heads: int = 4
    """Attention heads; they divide the width."""
    layers: int = 8
    """Transformer layers of the encoder, and as many of the decoder."""
    latents: int = 7
    """Latent tokens."""
    ratio: int = 4
    """Width of a layer's hidden part over the token's."""
    dropout: float = 0.1
    """Share of activations dropped in training."""
    shape_width: int = 256
    """Hidden width of the shape estimator."""
    kl: float = 1e-2
    """Weight of the divergence from the standard normal distribution, see `vae_terms`."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.width < 2 or self.heads < 1 or self.width % self.heads or self.width % 2:
            raise ValueError(
                f"network.width is {self.width}: must be even and a multiple of network.heads ({self.heads})"
            )
        if min(self.layers, self.latents, self.ratio, self.shape_width) < 1 or not 0 <= self.dropout < 1:
            raise ValueError("network.layers, latents, ratio and shape_width must be 1 or more, dropout in [0, 1)")
        if not 0 <= self.kl < float("inf"):
            raise ValueError(f"network.kl is {self.kl}, must be 0 or more")


class Latent(NamedTuple):
    """A normal distribution for every latent number of each hand pair, independent of the others (l latent tokens)."""

    mean: Float[Tensor, "b l c"]
    log_variance: Float[Tensor, "b l c"]

    def draw(self, noise: Float[Tensor, "b l c"]) -> Float[Tensor, "b l c"]:
        """The latent hands that standard normal noise stands for; slopes go through (Kingma & Welling, ICLR 2014)."""
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self) -> Float[Tensor, "b l c"]:
        """Kullback–Leibler divergence of each number from the standard normal distribution, nats."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance)


class VAE(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: VAEConfig | None = None, generator: torch.Generator | None = None) -> None:
        """Weights are drawn from `generator`, from a fixed one when none is given."""
        super().__init__()
        self.config = config = config or VAEConfig()
        with torch.device("meta"):
            self.enter = nn.ModuleList(nn.Linear(COLUMNS, config.width) for _ in range(2))
            self.encoder = Encoder(config)
            self.decoder = Decoder(config)
            self.leave = nn.ModuleList(nn.Linear(config.width, COLUMNS) for _ in range(2))
            self.shape = ShapeEstimator(config.shape_width)
        initialise(self, generator or torch.Generator().manual_seed(0))

    def forward(self, scaled: Float[Tensor, "b 42 9"], noise: Float[Tensor, "b l c"]) -> tuple[CleanHands, Latent]:
        """Hands that went through a latent sample, and the distribution that it was drawn from by `noise`."""
        latent = self.encode(scaled)
        return self.decode(latent.draw(noise)), latent

    def encode(self, scaled: Float[Tensor, "b 42 9"]) -> Latent:
        """Where standardised hands lie among the latent ones."""
        tokens = [enter(scaled[:, rows]) for enter, rows in zip(self.enter, (RIGHT, LEFT), strict=True)]
        return self.encoder(torch.cat(tokens, dim=1))

    def decode(self, z: Float[Tensor, "b l c"]) -> CleanHands:
        """The hands of latent ones, which are standard normal over all hands."""
        tokens = self.decoder(z)
        scaled = leave_tokens(self.leave, tokens[:, RIGHT], tokens[:, LEFT])
        return CleanHands(scaled, self.shape(scaled))


class Encoder(nn.Module):
    """Self-attention over latent and joint tokens; what the latent ones become says mean and log-variance."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.learnt = nn.Parameter(torch.empty(config.latents, config.width))
        self.place = nn.Parameter(torch.empty(ROWS, config.width))
        self.mix = SelfAttention(_stack(config))
        self.norm = nn.LayerNorm(config.width)
        self.spread = nn.Linear(config.width, 2 * config.width)

    def forward(self, joints: Float[Tensor, "b 42 c"]) -> Latent:
        """The distribution of the latent tokens."""
        learnt = self.learnt.expand(len(joints), -1, -1)
        tokens = self.norm(self.mix(torch.cat([learnt, joints + self.place], dim=1)))
        return Latent(*self.spread(tokens[:, : len(self.learnt)]).chunk(2, dim=-1))


class Decoder(nn.Module):
    """Pre-norm Transformer decoder layers with GELU: 42 learnt tokens attend to each other and to the latent ones."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.learnt = nn.Parameter(torch.empty(ROWS, config.width))
        self.place = nn.Parameter(torch.empty(config.latents, config.width))
        self.layers = nn.ModuleList(_decoder_layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, z: Float[Tensor, "b l c"]) -> Float[Tensor, "b 42 c"]:
        """The joints' tokens, the right hand's first."""
        tokens, memory = self.learnt.expand(len(z), -1, -1), z + self.place
        for layer in self.layers:
            tokens = layer(tokens, memory)
        return self.norm(tokens)


def latent_noise(config: VAEConfig, count: int, generator: torch.Generator) -> Float[Tensor, "{count} l c"]:
    """Standard normal latent hands; on the CPU, so that a seed means the same hands on every device."""
    return torch.randn(count, config.latents, config.width, generator=generator)


@torch.no_grad()
def sample_vae(network: VAE, noise: Float[Tensor, "b l c"]) -> Samples:
    """Hands of standard normal latent ones, see `latent_noise`."""
    return Samples(*network.decode(noise))


def vae_terms(
    network: nn.Module, batch: Batch, losses: Losses, generator: torch.Generator
) -> dict[str, Float[Tensor, ""]]:
    """IHDiff's terms for hands that went through a latent sample, and `kl`, weighted, to be minimised together (E.1).

    The divergence is the mean over all latent numbers and the batch, as in MLD; the paper does not say. A weight that is
    multiplied by the count of latent numbers gives the sum instead: docs/ihdiff.md shows what either leads to.

    Args:
        network: `VAE`, or a wrapper of one that has it as `module`.
        generator: on the CPU, decides the latent samples.
    """
    config = _unwrapped(network).config
    scaled = losses.standard.scale(batch.x)
    clean, latent = network(scaled, latent_noise(config, len(scaled), generator).to(scaled))
    alike = torch.zeros(len(scaled), device=scaled.device)  # none is noisier than another
    terms = losses(clean, Truth(batch.x, batch.betas), alike)
    exact = Latent(latent.mean.float(), latent.log_variance.float())
    return terms | {"kl": config.kl * exact.divergence().mean()}


def _unwrapped(network: nn.Module) -> VAE:
    while not isinstance(network, VAE):
        network = network.module
    return network


def _stack(config: VAEConfig) -> NetworkConfig:
    return NetworkConfig(
        width=config.width, heads=config.heads, depth=config.layers, ratio=config.ratio, dropout=config.dropout
    )


def _decoder_layer(config: VAEConfig) -> nn.TransformerDecoderLayer:
    return nn.TransformerDecoderLayer(
        config.width,
        config.heads,
        config.ratio * config.width,
        config.dropout,
        nn.functional.gelu,
        batch_first=True,
        norm_first=True,
    )

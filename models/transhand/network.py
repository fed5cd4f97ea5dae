"""TransHand: both hands' surfaces and a weak-perspective camera for each from one image (RenderIH, ICCV 2023, §4).

An image model gives a vector, from which each hand's coarsest nodes begin, and three maps, from coarse to fine. Three blocks
fuse a hand's nodes with one map each and with the other hand; between two blocks the nodes double. A fixed matrix makes
all vertices of the finest nodes. Sizes are the paper's or, where it is silent, those of the authors' release.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hands.joints import Side
from models.transhand.attention import Correlation, ImageExchange, LayerNorm, Perceptrons
from models.transhand.backbone import Backbone, BackboneConfig
from models.transhand.drawing import draw, place
from models.transhand.levels import FINEST, Meshes

STRIDE = 32
"""Pixels to a piece of the image; the coarsest map has one entry for each."""
START_SCALE = 3.0
"""The camera's scale before training: 2 · 3 · 0.27 m = 1.6, two hands across 0.27 m that fill 0.8 of the crop."""
START_SPREAD = 0.02
"""The heads' weights before training, over usual ones: hands begin as clouds of a few centimetres amid the crop."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    image_size: int = 256
    """Side of the image, pixels; a multiple of 32."""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """What reads the image."""
    image_width: int = 256
    """Channels of the image's maps."""
    widths: tuple[int, int, int] = (512, 256, 128)
    """Numbers in a node's token where each of the three blocks begins; each is half the one before, and so ends the last."""
    heads: int = 4
    """Attention heads; they divide half of every width."""
    perceptrons: int = 4
    """Residual perceptrons at the beginning of each block."""
    dropout: float = 0.05
    """Share of activations dropped in training."""
    correlation: bool = True
    """Whether the hands hear each other; false: each is fused with the image alone, the baseline of the paper's Table 4."""
    train_upsampling: bool = False
    """Whether the matrix from nodes to vertices is trained too; the loss may hold it near where it began."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.image_size < STRIDE or self.image_size % STRIDE:
            raise ValueError(f"network.image_size is {self.image_size}, must be a multiple of {STRIDE}")
        first, second, third = self.widths
        if (first, second) != (2 * second, 2 * third) or third < 2 or third % 2:
            raise ValueError(f"network.widths is {self.widths}, must be three even numbers, each half the one before")
        if self.heads < 1 or third // 2 % self.heads:
            raise ValueError(f"network.heads is {self.heads}, must divide half of every width ({third // 2})")
        if self.image_width < 1 or self.perceptrons < 1 or not 0 <= self.dropout < 1:
            raise ValueError("network.image_width and perceptrons must be 1 or more, dropout in [0, 1)")

    @classmethod
    def of(cls, sizes: dict[str, Any]) -> "NetworkConfig":
        """From plain JSON values, as `dataclasses.asdict` gives them.

        Raises:
            TypeError, ValueError: these are no sizes of this network.
        """
        backbone = dict(sizes["backbone"])
        backbone["stages"] = backbone["stages"] and tuple(backbone["stages"])
        return cls(**{**sizes, "backbone": BackboneConfig(**backbone), "widths": tuple(sizes["widths"])})


class HandPrediction(NamedTuple):
    """One hand in the network's frame: camera axes about the left hand's middle knuckle, scaled (`models.transhand.frames`)."""

    vertices: Float[Tensor, "b v 3"]
    coarse: Float[Tensor, "b n 3"]
    """The finest nodes, of which the vertices are made."""
    camera: Float[Tensor, "b 3"]
    """Scale, x and y: a point (X, Y, Z) is seen at 2 · scale · (X, Y) + (x, y), the crop being [−1, 1]²."""


class Prediction(NamedTuple):
    """Both hands; right comes first, as of every pair of parts inside."""

    right: HandPrediction
    left: HandPrediction

    def side(self, side: Side) -> HandPrediction:
        """One hand."""
        return self.right if side is Side.RIGHT else self.left


class TransHand(nn.Module):
    """The network."""

    def __init__(
        self,
        config: NetworkConfig,
        meshes: Meshes,
        generator: torch.Generator | None = None,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        """Weights are drawn from `generator`, from a fixed one when none is given; the backbone's may be read.

        Args:
            config: sizes.
            meshes: the hands.
            generator: on the CPU.
            architecture: the backbone's own configuration, as a checkpoint has it: nothing is then looked up or read.

        Raises:
            ValueError: the backbone cannot be made, see `Backbone`.
        """
        super().__init__()
        self.config, self.meshes = config, meshes
        generator = generator or torch.Generator().manual_seed(0)
        self.backbone = Backbone(config.backbone, config.image_width, generator, architecture)
        self.upsampling = nn.Parameter(meshes.upsampling.clone()) if config.train_upsampling else None
        with torch.device("meta"):
            tokens = config.widths[0] - 3  # the other three are a node's rest position
            self.begin = nn.ModuleList(
                nn.Sequential(nn.Linear(self.backbone.channels, tokens), LayerNorm(tokens)) for _ in range(2)
            )
            self.blocks = nn.ModuleList(Block(config, level, meshes.nodes(level)) for level in range(FINEST + 1))
            self.heads = Heads(config.widths[-1] // 2, meshes.nodes(FINEST))
        for part in (self.begin, self.blocks, self.heads):
            draw(part, generator)
        for level, block in enumerate(self.blocks):
            block.start(meshes.rest_at(level)[0], generator)
        self.heads.start()

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Prediction:
        """Hands in RGB images, 0 … 1, of the configured side.

        Raises:
            ValueError: the images are of another size.
        """
        if image.shape[-2:] != (self.config.image_size, self.config.image_size):
            raise ValueError(
                f"images are {tuple(image.shape[-2:])}; this network reads sides of {self.config.image_size}"
            )
        features = self.backbone(image)
        right, left = (self._begun(row, features.overall) for row in range(2))
        for level, (block, map_) in enumerate(zip(self.blocks, features.maps, strict=True)):
            if level:
                right, left = right.repeat_interleave(2, dim=1), left.repeat_interleave(2, dim=1)
            right, left = block(right, left, map_)
        upsampling = self.meshes.upsampling if self.upsampling is None else self.upsampling
        return Prediction(self.heads(right, upsampling), self.heads(left, upsampling))

    def _begun(self, row: int, overall: Float[Tensor, "b d"]) -> Float[Tensor, "b k c"]:
        """A hand's coarsest nodes: what the whole image says, the same for all, and where each is on a flat hand."""
        rest = self.meshes.rest_at(0)[row]
        same = self.begin[row](overall)[:, None].expand(-1, len(rest), -1)
        each = overall.shape[0]  # unlike len() it stays open when the network is exported for any number of images
        return torch.cat([same, rest.to(same.dtype).expand(each, -1, -1)], dim=-1)


class Block(nn.Module):
    """One of the three blocks: nodes by themselves, with the image, with the other hand."""

    def __init__(self, config: NetworkConfig, level: int, nodes: int) -> None:
        super().__init__()
        width, out, grid = config.widths[level], config.widths[level] // 2, config.image_size // STRIDE
        self.place = nn.Parameter(torch.empty(nodes, width))
        self.perceptrons = nn.ModuleList(Perceptrons(width, out, config.perceptrons, config.dropout) for _ in range(2))
        self.exchange = nn.ModuleList(
            ImageExchange(config.image_width, 1 << level, grid, out, config.heads, config.dropout) for _ in range(2)
        )
        self.correlation = Correlation(out, config.heads, config.dropout) if config.correlation else None

    def start(self, rest: Float[Tensor, "n 3"], generator: torch.Generator) -> None:
        """Tell the nodes apart by where they are on a flat hand, the image's pieces by where they are in it."""
        place(self.place, rest, generator)
        for exchange in self.exchange:
            place(exchange.place, exchange.pieces(), generator)

    def forward(
        self, right: Float[Tensor, "b n c"], left: Float[Tensor, "b n c"], map_: Float[Tensor, "b d h h"]
    ) -> tuple[Float[Tensor, "b n o"], Float[Tensor, "b n o"]]:
        """Both hands' tokens, half as wide."""
        right, left = (
            exchange(own(hand + self.place), map_)
            for own, exchange, hand in zip(self.perceptrons, self.exchange, (right, left), strict=True)
        )
        return (right, left) if self.correlation is None else self.correlation(right, left)


class Heads(nn.Module):
    """Coordinates of a hand's nodes and its camera; the same weights for both hands."""

    def __init__(self, width: int, nodes: int) -> None:
        super().__init__()
        self.coordinates = nn.Linear(width, 3)
        self.gather = nn.Linear(nodes, 1)
        self.camera = nn.Linear(width, 3)

    @torch.no_grad()
    def start(self) -> None:
        """Begin near hands as they come: see `START_SCALE` and `START_SPREAD`."""
        self.coordinates.weight *= START_SPREAD
        self.camera.weight *= START_SPREAD
        self.camera.bias[0] = START_SCALE

    def forward(self, tokens: Float[Tensor, "b n c"], upsampling: Float[Tensor, "v n"]) -> HandPrediction:
        """One hand, in float32 whatever the tokens are in."""
        with torch.autocast(tokens.device.type, enabled=False):
            tokens = tokens.to(self.coordinates.weight)
            coarse = self.coordinates(tokens)
            camera = self.camera(self.gather(tokens.transpose(1, 2))[..., 0])
            return HandPrediction(upsampling @ coarse, coarse, camera)

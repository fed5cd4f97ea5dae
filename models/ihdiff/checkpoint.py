"""Trained networks as files: safetensors, which hold numbers and no code."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from models.ihdiff.network import Denoiser, NetworkConfig
from models.ihdiff.representation import COLUMNS, ROWS, Standard

FORMAT = 1
"""Changes when older files cannot be read any more."""
FILE = "model.safetensors"
"""The name in a training's folder."""
_KEY = "ihdiff"
MAKE = "`render-ih train ihdiff` makes one"


@dataclass(frozen=True, eq=False)
class IHDiff:
    """A network ready for use, on the CPU, float32, frozen."""

    network: Denoiser
    standard: Standard
    notes: dict[str, Any] = field(default_factory=dict)
    """What the file says of its own making: data, steps, figures; `hands` is the checksum of the hand model."""


def save(file: BinaryIO, network: Denoiser, standard: Standard, notes: dict[str, Any]) -> None:
    """Write weights and scale; sizes and `notes` (plain JSON values) go into the file's metadata."""
    from safetensors.torch import save as to_bytes

    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"standard.{name}": value for name, value in standard.state_dict().items()}
    about = {"format": FORMAT, "network": asdict(network.config), "notes": notes}
    content = {name: value.detach().float().cpu().contiguous() for name, value in tensors.items()}
    file.write(to_bytes(content, {_KEY: json.dumps(about, sort_keys=True)}))


def load(path: Path) -> IHDiff:
    """The network of a file, or of a training's folder.

    Raises:
        ValueError: there is none, it is damaged, of another version, or holds another network.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path) / FILE if Path(path).is_dir() else Path(path)
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except OSError as error:
        raise ValueError(f"{path}: no checkpoint of IHDiff that can be read here; {MAKE}") from error
    except SafetensorError as error:
        raise ValueError(f"{path}: is damaged or no safetensors file, and nothing else is loaded; {MAKE}") from error
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: holds another network than IHDiff; {MAKE}") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"{path}: is a checkpoint of another version of render-ih; {MAKE}")
    try:
        model = _built(about, tensors)
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: its weights do not fit the network it describes; {MAKE}") from error
    if not all(value.isfinite().all() for value in tensors.values()):
        raise ValueError(f"{path}: has weights that are no numbers; {MAKE}")
    return model


def _built(about: dict[str, Any], tensors: dict[str, Tensor]) -> IHDiff:
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "standard": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    network = Denoiser(NetworkConfig(**about["network"]))
    network.load_state_dict(parts["network"])
    standard = Standard()
    standard.load_state_dict(parts["standard"])
    if standard.mean.shape != (ROWS, COLUMNS):
        raise ValueError("scale of another size")
    return IHDiff(network.eval().requires_grad_(False), standard.requires_grad_(False), dict(about["notes"]))

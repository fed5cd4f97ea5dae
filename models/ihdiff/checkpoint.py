"""Checkpoints of IHDiff and of the VAE baseline."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor, nn

from models.ihdiff.network import Denoiser, NetworkConfig
from models.ihdiff.representation import Standard
from models.ihdiff.vae import VAE, VAEConfig
from models.weight_files import FILE, WeightFiles

_FILES = WeightFiles("ihdiff", 1, {"ihdiff": "IHDiff", "vae": "the VAE baseline"})


@dataclass(frozen=True, eq=False)
class IHDiff:
    """A network ready for use, on the CPU, float32, frozen."""

    network: Denoiser
    standard: Standard
    notes: dict[str, Any] = field(default_factory=dict)
    """What the file says of its own making: data, steps, figures; `hands` is the checksum of the hand model."""


@dataclass(frozen=True, eq=False)
class TrainedVAE:
    """The baseline ready for use, on the CPU, float32, frozen."""

    network: VAE
    standard: Standard
    notes: dict[str, Any] = field(default_factory=dict)
    """As of `IHDiff`."""


def built_in_checkpoint() -> Path:
    """The file of the network that comes with the project: recipe `small`, trained on poses of the gesture library."""
    return Path(str(resources.files("blender_assets"))) / "ihdiff" / FILE


def save(file: BinaryIO, network: Denoiser | VAE, standard: Standard, notes: dict[str, Any]) -> None:
    """Write weights and scale; kind, sizes and `notes` (plain JSON values) go into the file's metadata."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"standard.{name}": value for name, value in standard.state_dict().items()}
    kind = "vae" if isinstance(network, VAE) else "ihdiff"
    _FILES.write(file, kind, tensors, {"network": asdict(network.config), "notes": notes})


def load(path: Path) -> IHDiff:
    """The network of a file, or of a training's folder.

    Raises:
        ValueError: there is none, it is damaged, of another version, or holds another network.
    """
    return IHDiff(*_read(Path(path), "ihdiff", lambda sizes: Denoiser(NetworkConfig(**sizes))))


def load_vae(path: Path) -> TrainedVAE:
    """The VAE baseline of a file, or of a training's folder.

    Raises:
        ValueError: as of `load`.
    """
    return TrainedVAE(*_read(Path(path), "vae", lambda sizes: VAE(VAEConfig(**sizes))))


def _read(path: Path, kind: str, build: Callable[[dict[str, Any]], nn.Module]) -> tuple[nn.Module, Standard, dict]:
    about, tensors = _FILES.read(path, kind)
    try:
        _refuse_oversized(about["network"], tensors)
        network, standard = _filled(build(about["network"]), tensors)
        return network, standard, dict(about["notes"])
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise _FILES.misfit(path, kind) from error


def _refuse_oversized(sizes: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Sizes that the file's own tensors do not bear out would only cost memory.

    Raises:
        ValueError: there are such.
    """
    widths = {"width": "network.enter.0.weight", "shape_width": "network.shape.layers.0.weight"}
    wrong = [name for name, tensor in widths.items() if sizes[name] != len(tensors[tensor])]
    wrong += [name for name in ("depth", "layers", "latents") if sizes.get(name, 0) > len(tensors)]
    if wrong or sizes["ratio"] > max(max(value.shape, default=0) for value in tensors.values()):
        raise ValueError("sizes of another network")


def _filled(network: nn.Module, tensors: dict[str, Tensor]) -> tuple[nn.Module, Standard]:
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "standard": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    network.load_state_dict(parts["network"])
    standard = Standard()
    standard.load_state_dict(parts["standard"])
    if not (standard.std > 0).all():
        raise ValueError("a scale of 0 or less")
    return network.eval().requires_grad_(False), standard.requires_grad_(False)

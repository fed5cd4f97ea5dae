"""The natural discriminator of RenderIH §3.1: how probable it is that a pose of one hand is natural.

It sees the 15 joint rotations in the joints' anatomical frames, where mirrored poses of both hands are the same numbers,
through their first two columns: unlike Euler angles or quaternions these are continuous over all rotations (Zhou et al.,
"On the Continuity of Rotation Representations in Neural Networks", CVPR 2019). All activations are smooth, because the
slope of the output moves poses (Eq. 8).
"""

import json
from importlib import resources
from pathlib import Path
from typing import BinaryIO

import torch
from jaxtyping import Float
from torch import Tensor, nn

MAKE = "`render-ih train naturalness` makes one"


class NaturalDiscriminator(nn.Module):
    """Residual perceptron 15×6 → `width` → … → 1 with a sigmoid; 28,289 parameters with the default sizes."""

    def __init__(self, width: int = 128, blocks: int = 1, generator: torch.Generator | None = None) -> None:
        """Xavier-normal weights drawn from `generator` (a fixed one when none is given), biases zero."""
        super().__init__()
        self.width, self.blocks = width, blocks
        self.first = _Linear(15 * 6, width)
        self.middle = nn.ModuleList(_Linear(width, width) for _ in range(blocks))
        self.last = _Linear(width, 1)
        generator = generator or torch.Generator().manual_seed(0)
        for layer in (self.first, *self.middle, self.last):
            nn.init.xavier_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, rotations: Float[Tensor, "*b 15 3 3"]) -> Float[Tensor, "*b"]:
        """Probability in [0, 1] that each pose is natural.

        Args:
            rotations: `hands.anatomy.anatomical_rotations(angles)`; for a local rotation R of MANO's, `framesᵀ · R · frames`.
        """
        hidden = nn.functional.silu(self.first(rotations[..., :2].flatten(-3)))
        for layer in self.middle:
            hidden = hidden + nn.functional.silu(layer(hidden))
        return self.last(hidden).squeeze(-1).sigmoid()


class _Linear(nn.Linear):
    """A layer whose first weights are given: torch's own would come from its global generator.

    `nn.utils.skip_init` does the same, but loads SymPy for it: 0.4 s of every run's start.
    """

    def reset_parameters(self) -> None:
        """Leave them as they are."""


def default_checkpoint() -> Path:
    """The file of the network that comes with the project."""
    return Path(str(resources.files("blender_assets"))) / "naturalness" / "naturalness.safetensors"


def save_discriminator(network: NaturalDiscriminator, file: BinaryIO, notes: dict[str, object]) -> None:
    """Write weights (float32) as safetensors; sizes and `notes` (plain JSON values) go into its metadata."""
    from safetensors.torch import save

    tensors = {name: value.float().contiguous().cpu() for name, value in network.state_dict().items()}
    about = {"architecture": {"width": network.width, "blocks": network.blocks}, **notes}
    file.write(save(tensors, {"natural_discriminator": json.dumps(about, sort_keys=True)}))


def load_discriminator(path: Path | None = None) -> NaturalDiscriminator:
    """The network of a file, the project's own when none is named; float32, on the CPU, frozen.

    Raises:
        ValueError: there is no such file, it is damaged, or it holds another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path or default_checkpoint())
    try:
        network = _from_tensors(load(path.read_bytes()))
    except OSError as error:
        raise ValueError(f"{path}: no checkpoint that can be read here; {MAKE}") from error
    except SafetensorError as error:
        raise ValueError(f"{path}: is damaged or no safetensors file; {MAKE}") from error
    except (KeyError, IndexError, RuntimeError) as error:
        raise ValueError(f"{path}: holds another network than a natural discriminator; {MAKE}") from error
    if not all(value.isfinite().all() for value in network.state_dict().values()):
        raise ValueError(f"{path}: has weights that are no numbers; {MAKE}")
    return network.eval().requires_grad_(False)


def discriminator_notes(path: Path | None = None) -> dict[str, object]:
    """What a checkpoint that `load_discriminator` takes says of its own making: architecture, data, seed, configuration."""
    from safetensors import safe_open

    with safe_open(path or default_checkpoint(), "pt") as file:
        return json.loads(file.metadata()["natural_discriminator"])


def _from_tensors(tensors: dict[str, Tensor]) -> NaturalDiscriminator:
    blocks = sum(name.startswith("middle.") and name.endswith(".weight") for name in tensors)
    network = NaturalDiscriminator(tensors["first.weight"].shape[0], blocks)
    network.load_state_dict(tensors)
    return network

"""A trained TransHand as a program of `torch.export`: a file that runs where torch alone is installed."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.versions import code_version
from hands.joints import JOINTS_21, Side
from hands.random_streams import torch_stream
from models.transhand.network import TransHand
from models.two_hand_metrics.surface_joints import surface_joints
from tasks.transhand.prediction.predictor import Predictor

ABOUT = "about.json"
"""What lies beside the program in the file."""
CLOSE = 1e-4
"""Largest difference from the network that is let through, in metres and in the camera's units."""
_COUNTS = (1, 2, 5)
"""Images at once with which the program is compared; another number than these is used to make it."""


class Answering(nn.Module):
    """The network with plain tensors as its answer."""

    def __init__(self, network: TransHand) -> None:
        super().__init__()
        self.network = network
        self.tips = [tuple(row) for row in network.meshes.tips.tolist()]

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> dict[str, Tensor]:
        """By SIDE_NAME: vertices (b v 3) and joints (b 21 3) in metres, camera axes, about the left hand's middle MCP; camera
        (b 3): scale, x and y.
        """
        prediction, answer = self.network(image), {}
        for row, side in enumerate(Side):
            hand = prediction.side(side)
            joints = surface_joints(hand.vertices, self.network.meshes.J_regressor[row], self.tips[row])
            answer |= {f"{side}_vertices": hand.vertices, f"{side}_joints": joints, f"{side}_camera": hand.camera}
        return answer


@dataclass(frozen=True)
class ExportedNetwork:
    """What was made."""

    file: Path
    difference: float
    """Largest one between the file's answers and the network's."""


def export_network(checkpoint: Path, out: Path) -> ExportedNetwork:
    """Write a network for any number of images at once, after what is written was compared with the network.

    Raises:
        InputError: the checkpoint cannot be used, its image model cannot be exported, the program answers otherwise than the
            network, or the file cannot be written.
    """
    if out.suffix != ".pt2":
        raise InputError(f"{out}: torch loads programs from files that end with .pt2; give such a name")
    if out.exists():
        raise InputError(f"{out}: is there already; give another name, or remove it")
    predictor = Predictor.load(checkpoint)
    content = program_of(predictor)
    difference = difference_of(content, predictor)
    if not difference < CLOSE:
        raise InputError(
            f"{checkpoint}: the exported program answers otherwise than the network, by {difference:.2g}; nothing is written"
        )
    atomic_write(out, content)
    return ExportedNetwork(out, difference)


def program_of(predictor: Predictor) -> bytes:
    """The file's content.

    Raises:
        InputError: torch cannot export this image model.
    """
    examples = _images(predictor, max(_COUNTS) - 1)
    count = torch.export.Dim("images", min=1)
    try:
        program = torch.export.export(Answering(predictor.network).eval(), (examples,), dynamic_shapes=({0: count},))
    except Exception as error:  # whatever a library's image model does that torch.export cannot follow
        name = predictor.network.config.backbone.name
        raise InputError(f"torch {torch.__version__} cannot export a network with the image model {name}") from error
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={ABOUT: json.dumps(_about(predictor))})
    return file.getvalue()


@torch.no_grad()
def difference_of(content: bytes, predictor: Predictor) -> float:
    """Largest difference between a file's answers and the network's, on random images in batches of several sizes."""
    program, network = torch.export.load(io.BytesIO(content)).module(), Answering(predictor.network)
    largest = 0.0
    for count in _COUNTS:
        images = _images(predictor, count)
        for one, other in zip(program(images).values(), network(images).values(), strict=True):
            largest = max(largest, float((one - other).abs().max()))
    return largest


def _images(predictor: Predictor, count: int) -> Float[Tensor, "{count} 3 s s"]:
    size = predictor.network.config.image_size
    return torch.rand(count, 3, size, size, generator=torch_stream(0, "export", count))


def _about(predictor: Predictor) -> dict[str, Any]:
    return {
        "image_size": predictor.network.config.image_size,
        "fill": predictor.ranges.fill,
        "vertices": predictor.network.meshes.vertices,
        "joints": JOINTS_21,
        "code_version": code_version(),
    }

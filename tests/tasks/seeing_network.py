"""A small TransHand that was never trained, as a checkpoint. Its hands are not in the middle of the picture."""

import tempfile
from functools import cache
from pathlib import Path

import torch

from dataset.assets.hand_files import hand_checksum, load_hands
from hands.random_streams import torch_stream
from models.transhand.backbone import BackboneConfig
from models.transhand.checkpoint import save
from models.transhand.levels import Meshes
from models.transhand.network import NetworkConfig, TransHand
from models.transhand.upsampling import meshes_of
from models.weight_files import FILE
from tasks.transhand.prediction.predictor import Predictor

SIZE, FILL = 32, 0.75
NOTES = {"bone": 0.095, "steps": 0, "config": {"augmentation": {"fill": FILL}}}


@cache
def meshes() -> Meshes:
    """Of the free hands; tests must not change them."""
    return meshes_of(load_hands(), torch_stream(0, "surfaces"), 50)


@torch.no_grad()
def network() -> TransHand:
    """The same each time."""
    config = NetworkConfig(SIZE, BackboneConfig("tiny"), image_width=8, widths=(32, 16, 8), heads=2, perceptrons=1)
    made = TransHand(config, meshes(), torch_stream(0, "weights"))
    made.heads.coordinates.weight *= 2
    made.heads.camera.bias.copy_(torch.tensor([2.5, 0.3, -0.2]))
    return made.eval()


def write(path: Path, **notes: object) -> Path:
    """A checkpoint that says this of itself."""
    with path.open("wb") as file:
        save(file, network(), {**NOTES, "hands": hand_checksum(load_hands()), **notes})
    return path


@cache
def checkpoint() -> Path:
    """Its file, in a folder as a training leaves it."""
    return write(Path(tempfile.mkdtemp(prefix="render-ih-tests-")) / FILE)


@cache
def predictor() -> Predictor:
    """Loaded."""
    return Predictor.load(checkpoint())

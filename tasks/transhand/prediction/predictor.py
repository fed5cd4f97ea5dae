"""A trained TransHand as it is used: both hands of pictures, each seen in a square about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dataset.errors import InputError
from dataset.training.augmentation import Augmentation, crop, draw
from dataset.training.batch import ImageBatch
from dataset.training.resample import resampled
from dataset.training.similarity import inverse
from dataset.training.turned import unit_range
from hands.joints import Side
from hands.model import HandModel
from models.transhand.checkpoint import TrainedTransHand, load
from models.transhand.frames import to_camera, to_pixels
from models.transhand.network import TransHand
from tasks.checkpoint_hands import refuse_other_hands
from tasks.transhand.prediction.cutting import Crops


class SeenHand(NamedTuple):
    """One hand in b pictures."""

    vertices: Float[Tensor, "b v 3"]
    """Metres, axes of the camera; the left hand's middle MCP is the origin of both hands."""
    joints_3d: Float[Tensor, "b 21 3"]
    """Told from the surface, in the order of `hands.joints.JOINTS_21`."""
    camera: Float[Tensor, "b 3"]
    """In the picture that was cut: scale (pixels for a metre), x and y (pixels). A point (X, Y, Z) is seen at
    scale · (X, Y) + (x, y)."""

    def in_picture(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 2"]:
        """Where the picture shows points of the hand, pixels."""
        return self.camera[:, None, :1] * points[..., :2] + self.camera[:, None, 1:]


class SeenHands(NamedTuple):
    """Both hands."""

    right: SeenHand
    left: SeenHand

    def side(self, side: Side) -> SeenHand:
        """One hand."""
        return self.right if side is Side.RIGHT else self.left


@dataclass(frozen=True, eq=False)
class Predictor:
    """Pictures to hands; nothing in it is drawn at random."""

    network: TransHand
    """For use, on the device where it computes."""
    ranges: Augmentation
    """How pictures are cut: as in its training, without chance."""

    @classmethod
    def load(cls, path: Path, hands: Mapping[Side, HandModel] | None = None, device: str = "cpu") -> "Predictor":
        """The network of a file or of a training's folder.

        Args:
            path: the checkpoint. It has all that is needed of its hands.
            hands: those that it must have been trained on; None: whichever they were.
            device: where to compute.

        Raises:
            InputError: there is none, it cannot be used, it belongs to other hands, or a library is not installed.
        """
        if find_spec("transformers") is None:
            need = "a trained TransHand needs transformers, which is not installed; pip install 'render-ih[train]'"
            raise InputError(need)
        try:
            trained = load(path)
        except ValueError as error:
            raise InputError(str(error)) from error
        if hands is not None:
            refuse_other_hands(path, trained.notes, dict(hands))
            _refuse_other_surface(path, trained.network, hands)
        size = trained.network.config.image_size
        return cls(trained.network.to(device), Augmentation.none(size, _fill(trained)))

    def __call__(self, batch: ImageBatch) -> dict[Side, Float[Tensor, "b v 3"]]:
        """Both surfaces in a batch as loaded: metres, axes of the camera, about the left hand's middle MCP."""
        seen = self.look(self.cut(batch))
        return {side: seen.side(side).vertices for side in Side}

    def cut(self, batch: ImageBatch) -> Crops:
        """The squares about both boxes of each image, or about the whole image where it shows no hand."""
        matrix = crop(batch, self.ranges, draw(self.ranges, len(batch), torch.Generator(), batch.image.device))
        return Crops(resampled(unit_range(batch.image), matrix, self.ranges.size), matrix)

    @torch.no_grad()
    def look(self, crops: Crops) -> SeenHands:
        """Both hands in squares that were cut out of pictures, on the network's device."""
        device = self.network.meshes.rest.device
        prediction = self.network(crops.image.to(device))
        return SeenHands(*(self._seen(side, *prediction.side(side)[::2], crops.matrix.to(device)) for side in Side))

    def faces(self, side: Side) -> Int[np.ndarray, "f 3"]:
        """A hand's triangles."""
        return self.network.meshes.faces[list(Side).index(side)].cpu().numpy()

    def _seen(
        self,
        side: Side,
        vertices: Float[Tensor, "b v 3"],
        camera: Float[Tensor, "b 3"],
        matrix: Float[Tensor, "b 2 3"],
    ) -> SeenHand:
        vertices = to_camera(vertices)
        return SeenHand(
            vertices, self.network.meshes.joints(side, vertices), in_pixels(camera, matrix, self.ranges.size)
        )


def in_pixels(camera: Float[Tensor, "b 3"], matrix: Float[Tensor, "b 2 3"], size: int) -> Float[Tensor, "b 3"]:
    """The network's camera, whose picture is [−1, 1]², in pixels of the pictures of which squares were cut.

    Args:
        camera: scale, x and y as `models.transhand.network.HandPrediction` has them.
        matrix: from pixels of the picture to those of the square; neither turned nor mirrored.
        size: side of the square, pixels.
    """
    back = inverse(matrix)
    scale = camera[:, :1] * size * back[:, :1, 0]
    return torch.cat([scale, to_pixels(camera[:, 1:], size) * back[:, :1, 0] + back[:, :, 2]], dim=1)


def _fill(trained: TrainedTransHand) -> float:
    """Share of the square that both hands' box took in the training."""
    notes: Any = trained.notes
    try:
        return float(notes["config"]["augmentation"]["fill"])
    except (KeyError, TypeError, ValueError):  # a network that no training of this project has made
        return Augmentation.fill


def _refuse_other_surface(path: Path, network: TransHand, hands: Mapping[Side, HandModel]) -> None:
    for side, faces in zip(Side, network.meshes.faces, strict=True):
        arrays = hands[side].arrays
        if len(arrays.v_template) != network.meshes.vertices or not np.array_equal(arrays.faces, faces.numpy()):
            raise InputError(
                f"{path}: its {side} hand has {network.meshes.vertices} vertices and triangles of its own, the hand model "
                f"given has {len(arrays.v_template)} and others; name the folder of its MANO files (--mano DIR), or none"
            )

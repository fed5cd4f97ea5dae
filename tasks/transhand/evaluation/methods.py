"""What is judged: anything that says where the hands of a batch of images are. A network here; files and averages beside."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.errors import InputError
from dataset.shards import file_sha256
from dataset.training.batch import ImageBatch
from hands.joints import Side
from hands.model import HandModel
from models.two_hand_metrics.measuring import TwoHands
from tasks.transhand.evaluation.truth import Bodies

Predict = Callable[[ImageBatch], dict[Side, Float[Tensor, "b v 3"]]]
"""A batch as loaded to both hands' surfaces: metres, axes of the camera, one origin for both hands of an image."""


class Answer(NamedTuple):
    """What a method says of a batch."""

    rows: list[int]
    """The images of the batch that it has an answer for."""
    hands: TwoHands
    """Of these."""


class Method(Protocol):
    """Whatever is judged."""

    about: dict[str, Any]
    """What tells it from others: for the results."""

    def __call__(self, batch: ImageBatch) -> Answer:
        """Both hands in each image, metres, axes of the camera, one origin for both hands of an image."""


@dataclass(frozen=True, eq=False)
class SurfaceMethod:
    """A method that sees both surfaces in every image."""

    predict: Predict
    bodies: Bodies
    about: dict[str, Any]

    @torch.no_grad()
    def __call__(self, batch: ImageBatch) -> Answer:
        """The surfaces, with the joints that they have."""
        return Answer(list(range(len(batch))), self.bodies.two_hands(self.predict(batch)))


def network(checkpoint: Path, hands: dict[Side, HandModel], bodies: Bodies, device: str) -> SurfaceMethod:
    """A trained TransHand.

    Raises:
        InputError: there is none, it cannot be used, it belongs to other hands, or a library is not installed.
    """
    try:
        from tasks.transhand.prediction.predictor import Predictor
    except ModuleNotFoundError as error:
        need = f"a trained TransHand needs {error.name}, which is not installed; pip install 'render-ih[train]'"
        raise InputError(need) from error
    predict = Predictor.load(checkpoint, hands, device)
    files = sorted(checkpoint.glob("*.safetensors")) if checkpoint.is_dir() else [checkpoint]
    about = {"method": "checkpoint", "name": checkpoint.name, "sha256": "+".join(map(file_sha256, files))}
    return SurfaceMethod(predict, bodies, about)

"""Rows of windows put together into a batch of tensors."""

from collections.abc import Callable, Collection

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dataset.errors import InputError
from dataset.training.batch import HandTargets, ImageBatch
from dataset.training.decoding import decode_mask, decode_photo
from dataset.training.window import CAMERA, HAND, Window
from hands.joints import Side

Allocate = Callable[[tuple[int, ...]], Tensor]
"""Gives uint8 memory of a shape for the decoded images."""
Decode = Callable[[memoryview, np.ndarray, tuple[int, int]], None]
Rows = Int[np.ndarray, "r"]
_SHAPES = {"K": (3, 3), "R": (3, 3), "joints_3d": (21, 3), "joints_2d": (21, 2)}


def private_memory(shape: tuple[int, ...]) -> Tensor:
    """Ordinary memory of this process."""
    return torch.empty(shape, dtype=torch.uint8)


class Assembly:
    """A batch in the making: rows are added window by window, so that only one window need be in memory."""

    def __init__(self, rows: int, size: tuple[int, int], masks: Collection[str], allocate: Allocate) -> None:
        self._size, self._done = size, 0
        width, height = size
        self._image = allocate((rows, height, width, 3))
        self._masks = {
            name: torch.empty(rows, height, width, dtype=torch.float32 if name == "depth" else torch.uint8)
            for name in masks
        }
        self._numbers: list[dict[str, np.ndarray]] = []

    def add(self, window: Window, rows: Rows) -> None:
        """Decode rows of a window and take their numbers.

        Raises:
            InputError: a picture cannot be decoded; it names the sample.
        """
        self._decode(window, rows, "image", self._image, decode_photo)
        for name, mask in self._masks.items():
            self._decode(window, rows, name, mask, decode_mask)
        self._numbers.append({name: values[rows] for name, values in window.numbers.items()})
        self._done += len(rows)

    def _decode(self, window: Window, rows: Rows, name: str, into: Tensor, decode: Decode) -> None:
        sizes = zip(window.numbers["width"][rows].tolist(), window.numbers["height"][rows].tolist(), strict=True)
        for row, out, size in zip(rows.tolist(), into.numpy()[self._done :], sizes, strict=False):
            try:
                decode(window.encoded(name, row), out, size)
            except (OSError, ValueError, SyntaxError) as error:
                sample = window.numbers["sample_id"][row]
                raise InputError(f"{sample}: its {name} cannot be used ({error}); see `render-ih verify`") from error

    def finished(self) -> ImageBatch:
        """The batch of all rows that were added."""
        numbers = {name: np.concatenate([part[name] for part in self._numbers]) for name in self._numbers[0]}
        scale = np.array(self._size) / np.stack([numbers["width"], numbers["height"]], axis=1)
        _resize_labels(numbers, scale)
        tensors = {name: _tensor(name.split(".")[1], values) for name, values in numbers.items() if "." in name}
        return ImageBatch(
            sample_ids=numbers["sample_id"].tolist(),
            image=self._image.permute(0, 3, 1, 2),
            **{name: tensors[f"camera.{name}"] for name in CAMERA},
            **{side.value: HandTargets(*(tensors[f"{side}.{name}"] for name in HAND)) for side in Side},
            masks=self._masks,
        )


def _resize_labels(numbers: dict[str, np.ndarray], scale: Float[np.ndarray, "b 2"]) -> None:
    """What is in pixels follows the resized picture, in place."""
    if (scale == 1).all():
        return
    x_y_1 = np.column_stack([scale, np.ones(len(scale))])
    numbers["camera.K"] = numbers["camera.K"] * np.repeat(x_y_1, 3, axis=1)
    for side in Side:
        numbers[f"{side}.joints_2d"] = numbers[f"{side}.joints_2d"] * np.tile(scale, 21)
        numbers[f"{side}.bbox"] = numbers[f"{side}.bbox"] * np.tile(scale, 2)


def _tensor(leaf: str, values: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(values.astype(np.int8 if leaf == "joint_state" else np.float32))
    return tensor.unflatten(-1, _SHAPES[leaf]) if leaf in _SHAPES else tensor

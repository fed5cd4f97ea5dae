"""The images of a dataset of this project, with the boxes of its labels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Num
from PIL import Image

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.training.decoding import decode_photo
from dataset.training.portion import Portion
from dataset.training.row_groups import find_row_groups
from dataset.training.window import Window
from hands.joints import Side
from tasks.transhand.prediction.cutting import Box
from tasks.transhand.prediction.pictures import Picture


class DatasetPictures:
    """Those of a split, in the order in which they are stored; images may have several sizes."""

    def __init__(self, dataset: Path, split: str = "test", most: int = 0) -> None:
        """Only the footers of the shards are read.

        Args:
            dataset: its folder.
            split: train, validation or test.
            most: at most so many, see `dataset.training.portion`; 0: all.

        Raises:
            InputError: no dataset, or no image of the split.
        """
        self._groups = find_row_groups(Manifest.read(dataset), {split}, Portion(most=most))
        self._window = Window(("image",))
        self.parts, self.content = self._groups.rows.tolist(), self._groups.content

    def read(self, part: int) -> Iterator[Picture]:
        """See `Pictures`; an image that shows no hand is looked at whole, as in the training.

        Raises:
            InputError: a shard or a picture is damaged.
        """
        self._window.fill(self._groups, np.array([part]))
        numbers = self._window.numbers
        sizes = np.stack([numbers["width"], numbers["height"]], axis=1).tolist()
        boxes = np.stack([numbers[f"{side}.bbox"] for side in Side], axis=1)
        for row, (name, size) in enumerate(zip(numbers["sample_id"].tolist(), sizes, strict=True)):
            box = around_both(boxes[row])
            yield Picture(name, self._decoded(row, name, tuple(size)), box or (0.0, 0.0, *size), box is not None)

    def _decoded(self, row: int, name: str, size: tuple[int, int]) -> Image.Image:
        pixels = np.empty((*reversed(size), 3), np.uint8)
        try:
            decode_photo(self._window.encoded("image", row), pixels, size)
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(f"{name}: its image cannot be used ({error}); see `render-ih verify`") from error
        return Image.fromarray(pixels)


def around_both(boxes: Num[np.ndarray, "2 4"]) -> Box | None:
    """The box around both hands' boxes; those of zeros are of hands that the image does not show. None where it shows none."""
    shown = boxes[(boxes[:, 2:] > 0).all(1)].astype(np.float64)
    if not len(shown):
        return None
    low, high = shown[:, :2].min(0), (shown[:, :2] + shown[:, 2:]).max(0)
    return tuple(np.concatenate([low, high - low]).tolist())

"""Batches of a recording's images, for the loader that takes those of our own datasets."""

import hashlib
import math
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Int

from dataset.errors import InputError
from dataset.recorded_images.cutting import cut_out
from dataset.recorded_images.labels import Squares, camera_tensors, hand_targets, squares
from dataset.recorded_images.recording import Recording
from dataset.training.assembly import Allocate, private_memory
from dataset.training.augmentation import Augmentation
from dataset.training.batch import ImageBatch
from dataset.training.batching import Batching, EpochOrder
from dataset.training.epoch_batches import EpochBatches
from dataset.training.portion import Portion
from hands.joints import Side


def room_for(ranges: Augmentation) -> float:
    """How many times as long as both hands' box a square about it must be, so that no crop of `augmented` leaves it.

    The crop is the box over `fill` and the smallest scale; turned by 45° it reaches √2 times as far.
    """
    angle = min(ranges.rotation, math.pi / 4)
    turn = math.cos(angle) + math.sin(angle)
    return (turn + 2 * ranges.shift) / (ranges.fill * (1 - ranges.scale))


class RecordedImages(EpochBatches):
    """Each picture is cut to a square about both hands and resized; K, `joints_2d` and boxes follow.

    Labels are those of our own datasets, but for what other people's do not have: parameters are NaN where there are only
    joints, `visible_fraction` is NaN, and a joint in the picture counts as visible.
    """

    def __init__(
        self,
        recording: Recording,
        batching: Batching | None = None,
        size: int = 384,
        around: float | None = None,
        portion: Portion | None = None,
    ) -> None:
        """Nothing is read; pictures are decoded as their batches come.

        Args:
            recording: the images.
            batching: how an epoch becomes batches.
            size: side of the new pictures, pixels. With 384 a crop of 256 has about the pixels that it shows.
            around: side of the square in lengths of both hands' box; None for room for training's augmentation.
            portion: only a part of the images, chosen by their names.

        Raises:
            InputError: a number that cannot be, or a batching that does not come out even.
        """
        around = room_for(Augmentation()) if around is None else around
        if size < 1 or not around > 0:
            raise InputError(f"size is {size} and around {around}; give a number of pixels and a factor above 0")
        portion = portion or Portion()
        if not portion.is_whole:
            recording = recording[portion.chosen([name.decode() for name in recording.names.tolist()])]
        self._recording, self._around = recording, around
        self._content = hashlib.sha256(f"{recording.checksum()} {size} {around}".encode()).hexdigest()
        super().__init__(len(recording), (size, size), batching or Batching())

    @property
    def content(self) -> str:
        """Checksum of names, labels and how pictures are cut: what tells these batches from any others."""
        return self._content

    @property
    def recording(self) -> Recording:
        """The images of all batches, of all ranks."""
        return self._recording

    def batches(self, epoch: int, numbers: Iterable[int], allocate: Allocate = private_memory) -> Iterator[ImageBatch]:
        """Some of the batches of an epoch; `allocate` gives the memory of their images.

        Raises:
            InputError: a picture is missing, damaged or of another size; it names it.
        """
        order = EpochOrder(np.array([self.images]), self.batching, epoch).rows(0)
        for number in numbers:
            first, last = self._rank.bounds(number)
            yield self._batch(order[first:last], allocate)

    def _batch(self, rows: Int[np.ndarray, "b"], allocate: Allocate) -> ImageBatch:
        recording, size = self._recording, self.size[0]
        cut = squares(recording.boxes[rows], recording.size[recording.camera[rows]], self._around)
        image = allocate((len(rows), size, size, 3))
        self._decode(rows, cut, image.numpy())
        return ImageBatch(
            sample_ids=[recording.name(row) for row in rows.tolist()],
            image=image.permute(0, 3, 1, 2),
            **camera_tensors(recording, rows, cut, size),
            **{side.value: hand_targets(recording, rows, side, cut, size) for side in Side},
            masks={},
        )

    def _decode(self, rows: Int[np.ndarray, "b"], cut: Squares, into: np.ndarray) -> None:
        boxes = np.concatenate([cut.corner, cut.corner + cut.side[:, None]], axis=1).tolist()
        sizes = self._recording.size[self._recording.camera[rows]].tolist()
        for row, box, size, out in zip(rows.tolist(), boxes, sizes, into, strict=True):
            path = self._recording.picture(row)
            try:
                cut_out(path, tuple(size), tuple(box), out)
            except (OSError, ValueError, SyntaxError) as error:
                name = self._recording.name(row)
                raise InputError(f"{name}: its picture {path} cannot be used ({error}); get it anew") from error

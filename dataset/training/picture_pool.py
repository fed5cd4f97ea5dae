"""Memory for decoded images that worker processes fill and the training process lends out, again and again.

Fresh shared memory costs a worker about half as much time as decoding the pictures into it: the kernel clears every page
and maps it twice. A place in the pool is free again when nothing in the training process refers to its memory.
"""

import itertools
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dataset.errors import InputError
from dataset.training.assembly import private_memory
from dataset.training.batch import HandTargets, ImageBatch

_numbers = itertools.count()
_pools: "weakref.WeakValueDictionary[int, PicturePool]" = weakref.WeakValueDictionary()
"""Those of this process, for batches that arrive from workers."""


class PicturePool:
    """Places of equal size, the same number for each worker."""

    def __init__(self, workers: int, places: int, size: int) -> None:
        """Make room for `places` batches of `size` bytes for each worker.

        Raises:
            InputError: shared memory is too small.
        """
        try:
            self._memory = torch.empty(workers * places, size, dtype=torch.uint8).share_memory_()
        except RuntimeError as error:
            raise InputError(
                f"no {workers * places * size >> 20} MiB of shared memory for {workers} workers; "
                "use fewer, smaller batches, or a container with more (docker run --shm-size)"
            ) from error
        self._lent = torch.zeros(workers * places, dtype=torch.uint8).share_memory_()
        self._places, self._number = places, next(_numbers)
        _pools[self._number] = self

    def allocate(self, worker: int, shape: tuple[int, ...]) -> Tensor:
        """Memory of a free place of that worker, or ordinary memory while all are lent; called in the worker."""
        lent = self._lent.numpy()
        for place in range(worker * self._places, (worker + 1) * self._places):
            if not lent[place]:
                lent[place] = 1
                return self._memory[place, : math.prod(shape)].view(shape)
        return private_memory(shape)

    def parcel(self, batch: ImageBatch) -> "ImageBatch | Parcel":
        """The batch as a worker sends it: only the number of the place when its image lies in one."""
        place, offset = divmod(batch.image.data_ptr() - self._memory.data_ptr(), self._memory.shape[1])
        return Parcel(self._number, place, batch) if 0 <= place < len(self._memory) and offset == 0 else batch

    def lend(self, place: int, shape: tuple[int, ...]) -> Tensor:
        """The filled memory of a place, free again when the last tensor or array that refers to it is gone."""
        array = self._memory[place].numpy()
        weakref.finalize(array, self._lent.numpy().__setitem__, place, 0).atexit = False
        return torch.from_numpy(array)[: math.prod(shape)].view(shape)


class Parcel:
    """A batch on its way: pickled in the worker, an `ImageBatch` when unpickled. Small labels travel by value."""

    def __init__(self, pool: int, place: int, batch: ImageBatch) -> None:
        self._pool, self._place, self._batch = pool, place, batch

    def __reduce__(self) -> tuple[Callable[..., ImageBatch], tuple[Any, ...]]:
        batch = self._batch
        parts = [(batch.K, batch.R, batch.t), batch.right.tensors(), batch.left.tensors()]
        labels = [[tensor.numpy() for tensor in part] for part in parts]
        n, channels, height, width = batch.image.shape
        return _arrived, (self._pool, self._place, (n, height, width, channels), batch.sample_ids, labels, batch.masks)


def _arrived(
    pool: int,
    place: int,
    shape: tuple[int, ...],
    sample_ids: list[str],
    labels: list[list[np.ndarray]],
    masks: dict[str, Tensor],
) -> ImageBatch:
    image = _pools[pool].lend(place, shape).permute(0, 3, 1, 2)
    camera, right, left = ([torch.from_numpy(values) for values in part] for part in labels)
    return ImageBatch(sample_ids, image, *camera, HandTargets(*right), HandTargets(*left), masks)

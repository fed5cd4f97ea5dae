"""Batches made by worker processes, epoch after epoch, resumable between any two batches."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from dataset.errors import InputError
from dataset.training.batch import ImageBatch
from dataset.training.batching import Batching
from dataset.training.epoch_batches import EpochBatches
from dataset.training.picture_pool import Parcel, PicturePool

_SPARE = 2
"""Places of a worker's pool beyond the batches that are on their way: what a training step holds."""


class _Place(NamedTuple):
    epoch: int
    batch: int


class BatchLoader:
    """`for batch in loader` is one epoch, the next time the next one; an epoch left early is not taken up again.

    `state_dict` belongs to the batch that came last: a loader that was given it goes on with the one after, whatever
    its number of workers. Lightning saves and restores it with its checkpoints.
    """

    def __init__(
        self, images: EpochBatches, workers: int = 0, prefetch: int = 2, start_method: str | None = None
    ) -> None:
        """Workers start with the first batch and stay.

        Args:
            images: what to load.
            workers: processes beside this one; 0 decodes in this one.
            prefetch: batches that each worker makes ahead.
            start_method: `fork` or `spawn`; the platform's own for None.

        Raises:
            InputError: shared memory is too small for the workers' images.
        """
        self._images, self._source = images, images
        self._next = self._seen = _Place(0, 0)
        if workers:
            width, height = images.size
            self._pool = PicturePool(workers, prefetch + _SPARE, images.batching.batch_size * height * width * 3)
            self._source = DataLoader(
                _Sending(images, self._pool),
                batch_size=None,
                num_workers=workers,
                prefetch_factor=prefetch,
                persistent_workers=True,
                multiprocessing_context=start_method,
                generator=torch.Generator(),  # its own, so that loading leaves the global one alone
            )

    @property
    def images(self) -> EpochBatches:
        """What is loaded."""
        return self._images

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[ImageBatch]:
        start = self._seen = self._next
        self._next = _Place(start.epoch + 1, 0)
        self._images.start_at(*start)
        for number, batch in enumerate(self._source, start.batch + 1):
            if isinstance(batch, _Refusal):
                raise InputError(batch.sentence)
            self._seen = _Place(start.epoch, number) if number < len(self) else self._next
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is, in numbers and texts alone."""
        images = self._images
        return {**self._seen._asdict(), "content": images.content, "batching": asdict(images.batching)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batch at which `state` was taken.

        Raises:
            InputError: it is of other images or of another batching, so its batches are others.
        """
        differences = self._images.batching.differences(Batching(**state["batching"]))
        if state["content"] != self._images.content:
            differences.append("the images are others")
        if differences:
            raise InputError(
                f"the loader cannot go on where it was ({'; '.join(differences)}); make it equal or start anew"
            )
        self._next = self._seen = _Place(state["epoch"], state["batch"])


class _Refusal(NamedTuple):
    """An `InputError` on its way from a worker; PyTorch would wrap the sentence in the worker's traceback."""

    sentence: str


class _Sending(IterableDataset):
    """What a worker iterates: batches in the places of the pool."""

    def __init__(self, images: EpochBatches, pool: PicturePool) -> None:
        self._images, self._pool = images, pool

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[ImageBatch | Parcel | _Refusal]:
        epoch, numbers = self._images.turn()
        worker = get_worker_info().id
        try:
            for batch in self._images.batches(epoch, numbers, lambda shape: self._pool.allocate(worker, shape)):
                yield self._pool.parcel(batch)
        except InputError as error:
            yield _Refusal(str(error))

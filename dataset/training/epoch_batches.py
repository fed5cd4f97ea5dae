"""One rank's batches of an epoch, as an iterable that PyTorch can divide among processes; where images come from is open."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import torch
from torch.utils.data import IterableDataset, get_worker_info

from dataset.training.assembly import Allocate, private_memory
from dataset.training.batch import ImageBatch
from dataset.training.batching import Batching, RankBatches


class EpochBatches(IterableDataset, ABC):
    """What `BatchLoader` takes.

    `for batch in images` gives them in this process. Under a `DataLoader(images, batch_size=None, num_workers=n)` each
    worker gives every n-th, so that they arrive in the same order for any n. `start_at` says which epoch and from
    which batch on; workers that persist hear of it, too. `BatchLoader` counts epochs and batches by itself.
    """

    def __init__(self, images: int, size: tuple[int, int], batching: Batching) -> None:
        """Nothing is read.

        Args:
            images: of all ranks in an epoch, those that `drop_last` leaves out too.
            size: (width, height) of the images, pixels.
            batching: how an epoch becomes batches.

        Raises:
            InputError: the batching does not come out even.
        """
        self.images, self.size, self.batching = images, size, batching
        self._rank = RankBatches(images, batching)
        self._start = torch.zeros(2, dtype=torch.int64).share_memory_()

    @property
    @abstractmethod
    def content(self) -> str:
        """Checksum of what tells this set of images from any other."""

    @abstractmethod
    def batches(self, epoch: int, numbers: Iterable[int], allocate: Allocate = private_memory) -> Iterator[ImageBatch]:
        """Some of the batches of an epoch; `allocate` gives the memory of their images.

        Raises:
            InputError: a file or a picture is damaged.
        """

    def __len__(self) -> int:
        return len(self._rank)

    def start_at(self, epoch: int, batch: int = 0) -> None:
        """Let what is iterated next be that epoch, without its first batches, which are not read either."""
        self._start[:] = torch.tensor([epoch, batch])

    def __iter__(self) -> Iterator[ImageBatch]:
        epoch, numbers = self.turn()
        return self.batches(epoch, numbers)

    def turn(self) -> tuple[int, range]:
        """The epoch, and the numbers of the batches in it that are up to this process: it may be a loader's worker."""
        epoch, first = self._start.tolist()
        worker = get_worker_info()
        own, of = (worker.id, worker.num_workers) if worker else (0, 1)
        return epoch, range(first + own, len(self), of)

"""Batches of images and labels from the shards of a dataset, as an iterable that PyTorch can divide among processes."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.training.assembly import Allocate, Assembly, private_memory
from dataset.training.batch import MASKS, ImageBatch
from dataset.training.batching import Batching, EpochOrder, RankBatches
from dataset.training.lanes import Lanes
from dataset.training.row_groups import RowGroups, find_row_groups


class ImageBatches(IterableDataset):
    """One rank's batches of an epoch.

    `for batch in images` gives them in this process. Under a `DataLoader(images, batch_size=None, num_workers=n)` each
    worker gives every n-th, so that they arrive in the same order for any n. `start_at` says which epoch and from
    which batch on; workers that persist hear of it, too. `BatchLoader` counts epochs and batches by itself.
    """

    def __init__(
        self,
        dataset: Path | Manifest,
        splits: str | Collection[str] = "train",
        batching: Batching | None = None,
        masks: Collection[str] = (),
        size: tuple[int, int] | None = None,
    ) -> None:
        """What to read; only the footers of the shards are read now.

        Args:
            dataset: its directory or manifest.
            splits: one split or several; empty for all rows.
            batching: how an epoch becomes batches.
            masks: label pictures wanted, of `batch.MASKS`.
            size: (width, height) in pixels to which images are resized; not needed when all have one.

        Raises:
            InputError: no dataset, no image of the splits, images of several sizes and no `size`, an unknown mask, or a
                batching that does not come out even.
        """
        manifest = dataset if isinstance(dataset, Manifest) else Manifest.read(dataset)
        self.batching = batching or Batching()
        self._groups = find_row_groups(manifest, {splits} if isinstance(splits, str) else splits)
        self.size = size or _one_size(self._groups, manifest.folder)
        self._masks = _known(masks)
        self._rank = RankBatches(self.images, self.batching)
        self._idle: list[Lanes] = []
        self._start = torch.zeros(2, dtype=torch.int64).share_memory_()

    @property
    def content(self) -> str:
        """Checksum of the shards and the splits: what tells this set of images from any other."""
        return self._groups.content

    @property
    def images(self) -> int:
        """Images of all ranks in an epoch, those that `drop_last` leaves out too."""
        return int(self._groups.rows.sum())

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

    def batches(self, epoch: int, numbers: Iterable[int], allocate: Allocate = private_memory) -> Iterator[ImageBatch]:
        """Some of the batches of an epoch; `allocate` gives the memory of their images.

        Raises:
            InputError: a shard or a picture is damaged.
        """
        order = EpochOrder(self._groups.rows, self.batching, epoch)
        lanes = self._idle.pop() if self._idle else Lanes(self._groups, ("image", *self._masks))
        try:
            lanes.begin(order)
            for number in numbers:
                first, last = self._rank.bounds(number)
                assembly = Assembly(last - first, self.size, self._masks, allocate)
                for piece in order.pieces(first, last):
                    assembly.add(*lanes.rows(self._rank.lane(number), piece))
                yield assembly.finished()
        finally:
            self._idle.append(lanes)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_idle": []}


def _one_size(groups: RowGroups, folder: Path) -> tuple[int, int]:
    if len(groups.sizes) > 1:
        found = ", ".join(f"{width}×{height}" for width, height in sorted(groups.sizes))
        raise InputError(f"{folder}: has images of several sizes ({found}); give the size to which they are resized")
    return next(iter(groups.sizes))


def _known(masks: Collection[str]) -> tuple[str, ...]:
    unknown = sorted(set(masks) - set(MASKS))
    if unknown:
        raise InputError(f"no label picture is called {', '.join(unknown)}; there are {', '.join(MASKS)}")
    return tuple(masks)

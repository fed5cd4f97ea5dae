"""Batches of images and labels from the shards of a dataset."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.training.assembly import Allocate, Assembly, private_memory
from dataset.training.batch import MASKS, ImageBatch
from dataset.training.batching import Batching, EpochOrder
from dataset.training.epoch_batches import EpochBatches
from dataset.training.lanes import Lanes
from dataset.training.portion import Portion
from dataset.training.row_groups import RowGroups, find_row_groups


class ImageBatches(EpochBatches):
    """Those of a dataset of this project."""

    def __init__(
        self,
        dataset: Path | Manifest,
        splits: str | Collection[str] = "train",
        batching: Batching | None = None,
        masks: Collection[str] = (),
        size: tuple[int, int] | None = None,
        portion: Portion | None = None,
    ) -> None:
        """What to read; only the footers of the shards are read now.

        Args:
            dataset: its directory or manifest.
            splits: one split or several; empty for all rows.
            batching: how an epoch becomes batches.
            masks: label pictures wanted, of `batch.MASKS`.
            size: (width, height) in pixels to which images are resized; not needed when all have one.
            portion: only a part of the images, in whole row groups but for the last.

        Raises:
            InputError: no dataset, no image of the splits, images of several sizes and no `size`, an unknown mask, or a
                batching that does not come out even.
        """
        manifest = dataset if isinstance(dataset, Manifest) else Manifest.read(dataset)
        self._groups = find_row_groups(manifest, {splits} if isinstance(splits, str) else splits, portion)
        self._masks = _known(masks)
        self._idle: list[Lanes] = []
        size = size or _one_size(self._groups, manifest.folder)
        super().__init__(int(self._groups.rows.sum()), size, batching or Batching())

    @property
    def content(self) -> str:
        """Checksum of the shards, the splits and the portion: what tells this set of images from any other."""
        return self._groups.content

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

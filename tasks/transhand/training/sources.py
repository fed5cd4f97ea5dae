"""Where a training's images come from: datasets of this project and recorded images, mixed in one way.

A step of the training is a list of batches, one a source. Which images they hold follows from the configuration and the number
of the step alone, so a training that goes on needs no memory of what came before, and the number of devices may change.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import IterableDataset

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.recorded_images.recorded_images import RecordedImages, room_for
from dataset.storage.opening import open_store
from dataset.training.batch import ImageBatch
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching
from dataset.training.epoch_batches import EpochBatches
from dataset.training.image_batches import ImageBatches
from dataset.training.mixture import Mixture, batch_sizes, shares
from dataset.training.portion import Portion
from tasks.lightning_training.places import Place
from tasks.progress import say
from tasks.transhand.images import Hands, hands_for, has_split, kind_and_folder, recording_of, subset_of
from tasks.transhand.training.config import SourceConfig, TransHandTraining

_LOOK = 32
"""Images at once in a look; decides nothing."""
_DETAIL = 1.5
"""Pixels of recorded images as they are loaded for one of the crop, so that a crop loses little."""


class Learnt(NamedTuple):
    """What a training learns from."""

    mixture: Mixture
    """One device's share of each step."""
    samples: int
    """Images of all sources and devices while the first source is seen once."""
    images: list[int]
    """Of each source."""
    contents: list[str]
    """A checksum for each source."""


class Steps(IterableDataset):
    """A training's batches from one step on: for each step a list, one batch a source."""

    def __init__(self, mixture: Mixture, first: int, total: int) -> None:
        self.mixture, self.first, self.total = mixture, first, total

    def __iter__(self) -> Iterator[list[ImageBatch]]:
        self.mixture.load_state_dict(self.mixture.state_dict() | {"step": self.first})
        step = self.first
        while step < self.total:
            for batches in self.mixture:
                yield batches
                step += 1
                if step == self.total:
                    return


class Sources:
    """All that a training reads."""

    def __init__(self, place: str, config: TransHandTraining, out: Path) -> None:
        """Nothing is read yet.

        Args:
            place: what the job names.
            config: what is mixed with it, and how.
            out: the training's folder, which keeps what was read of recordings.
        """
        self.config, self.out = config, out
        self.wishes = [config.data.first(place), *config.data.mix]

    def hands(self) -> Hands:
        """The hand model of all sources.

        Raises:
            InputError: a dataset was made with another one.
        """
        held = [self.config.data.validation] if self.config.data.validation else []
        places = [*(wish.place for wish in self.wishes), *held]
        hands, *_ = [hands_for(place, self.config.data.mano) for place in places]
        return hands

    def learnt(self, place: Place, hands: Hands) -> Learnt:
        """This device's share of what is learnt from.

        Raises:
            InputError: a source has no images for training, or fewer than there are devices.
        """
        ratios = [wish.ratio for wish in self.wishes]
        in_step = max(1, round(self.config.optimiser.batch / place.devices))
        sizes = batch_sizes(in_step, ratios)
        loaders = [self._loader(*pair, place, hands) for pair in zip(self.wishes, sizes, strict=True)]
        images, contents = zip(*((loader.images.images, loader.images.content) for loader in loaders), strict=True)
        samples = round(images[0] / shares(ratios)[0])
        return Learnt(Mixture(loaders, ratios, in_step), samples, list(images), list(contents))

    def validation(self, hands: Hands) -> EpochBatches | None:
        """Images that are not learnt from, in an order that stays the same; None where there are none.

        Raises:
            InputError: they cannot be used, or none are where the configuration says.
        """
        named, most = self.config.data.validation, self.config.report.validation_images
        place = named or self.wishes[0].place
        if not has_split(place, "validation") and not (named and kind_and_folder(place)[0]):
            if named:
                raise InputError(f"data.validation: {place} has no images of the split validation; name others")
            say(f"{place} has no images of the split validation, so nothing is looked at; data.validation names others")
            return None
        wish = SourceConfig(place=place, subset=subset_of(kind_and_folder(place)[0], "validation"), most=most)
        return self._opener(wish, "validation", hands)(Batching(min(_LOOK, most), shuffle=False, window=1, lanes=1))

    def _loader(self, wish: SourceConfig, size: int, place: Place, hands: Hands) -> BatchLoader:
        opener = self._opener(wish, "train", hands)
        if (images := opener(Batching(1)).images) < place.devices:
            raise InputError(f"{wish.place}: has {images} images to learn from for {place.devices} devices; take fewer")
        size = min(size, images // place.devices)  # the mixture takes as many batches as a step needs
        batching = Batching(size, self.config.seed, rank=place.rank, world_size=place.devices, drop_last=True)
        return BatchLoader(opener(batching), self.config.data.workers)

    def _opener(self, wish: SourceConfig, split: str, hands: Hands) -> Callable[[Batching], EpochBatches]:
        portion = Portion(wish.share, wish.most)
        kind, path = kind_and_folder(wish.place)
        if not kind:
            manifest, size = Manifest.read(open_store(path)), self.config.data.size
            return lambda batching: ImageBatches(manifest, split, batching, size=size, portion=portion)
        ranges = self.config.augmentation.ranges(self.config.network.image_size)
        recording = recording_of(kind, Path(path), wish.subset, hands, self.out / "recordings")
        side = math.ceil(_DETAIL * ranges.size)
        return lambda batching: RecordedImages(recording, batching, side, room_for(ranges), portion)

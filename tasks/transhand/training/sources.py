"""Where a training's images come from: datasets of this project and recorded images, mixed in one way.

A step of the training is a list of batches, one a source. Which images they hold follows from the configuration and the number
of the step alone, so a training that goes on needs no memory of what came before, and the number of devices may change.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import IterableDataset

from dataset.assets.hand_files import hands_of, load_hands
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.recorded_images.kinds import kind_of
from dataset.recorded_images.reading import read_recording
from dataset.recorded_images.recorded_images import RecordedImages, room_for
from dataset.recorded_images.recording import Recording
from dataset.storage.cache import alone
from dataset.storage.opening import open_store
from dataset.training.batch import ImageBatch
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching
from dataset.training.epoch_batches import EpochBatches
from dataset.training.image_batches import ImageBatches
from dataset.training.mixture import Mixture, batch_sizes, shares
from dataset.training.portion import Portion
from hands.joints import Side
from hands.model import HandModel
from tasks.lightning_training.places import Place
from tasks.progress import say
from tasks.transhand.training.config import SourceConfig, TransHandTraining

Hands = dict[Side, HandModel]

_HELD = {"interhand26m": "val"}
"""Kinds of recorded images that have images for looks at a training, and the name of that subset."""
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
        mano, hands = self.config.data.mano, load_hands(self.config.data.mano)
        for wish in self.wishes:
            kind, path = kind_and_folder(wish.place)
            if not kind:
                hands_of(Manifest.read(open_store(path)), mano)
            elif "sha256" not in hands[Side.RIGHT].arrays.notes:
                say(f"{wish.place}: parameters of MANO on the free hand are an approximation", level="warning")
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
            InputError: they cannot be used.
        """
        place, most = self.config.data.validation or self.wishes[0].place, self.config.report.validation_images
        kind, path = kind_and_folder(place)
        if kind not in _HELD if kind else not _has_images(path, "validation"):
            return None
        wish = SourceConfig(place=place, subset=_HELD.get(kind, ""), most=most)
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
        recording = self._read(kind, Path(path), wish.subset, hands)
        side = math.ceil(_DETAIL * ranges.size)
        return lambda batching: RecordedImages(recording, batching, side, room_for(ranges), portion)

    def _read(self, kind: str, folder: Path, subset: str, hands: Hands) -> Recording:
        """By one process of a machine; the others find what it has kept."""
        kept = (
            self.out / "recordings" / f"{kind}-{subset or 'first'}-{zlib.crc32(str(folder.resolve()).encode()):08x}.npz"
        )
        with alone(kept, kept.name):
            recording = read_recording(kind, folder, hands, subset, kept)
        say(f"{kind}={folder}: {len(recording):,} images; left out: {recording.told.sentence()}")
        return recording


def kind_and_folder(place: str) -> tuple[str, str]:
    """Kind and folder of recorded images; an empty kind and the place itself of a dataset.

    Raises:
        InputError: there is no such kind, or no such folder.
    """
    kind, sign, path = place.partition("=")
    if not sign or "/" in kind or Path(place).exists():
        return "", place
    kind_of(kind)
    if not Path(path).is_dir():
        raise InputError(f"{place}: there is no such folder; give the one that holds the images of {kind}")
    return kind, path


def _has_images(place: str, split: str) -> bool:
    return bool(Manifest.read(open_store(place)).splits.get(split, {}).get("images"))

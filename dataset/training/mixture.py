"""Several sources of images in each training step, in fixed ratios.

The sizes of a step's batches change by one image so that any ratio is met exactly in the long run: after n images in all, a
source has given as many as Sainte-Laguë's rule allots it of n seats. (The method of largest remainders could take an image
back when n grows, the "Alabama paradox"; a rule of divisors never does: Balinski and Young, Fair Representation, 1982.)
"""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from dataset.errors import InputError
from dataset.training.batch import ImageBatch
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching


def apportioned(total: int, ratios: Sequence[Fraction]) -> list[int]:
    """How many of `total` images each source gives; sums to `total`, and grows with it for every source.

    The next image is due from the source whose ratio is largest for the images it has given (those, and a half). All that
    are due before a certain place come at once, so that a million steps cost no more than one.
    """
    place = total - Fraction(len(ratios), 2)
    given = [max(0, math.floor(place * ratio + Fraction(1, 2))) for ratio in ratios]
    while sum(given) < total:
        given[max(range(len(given)), key=lambda n: (ratios[n] / (2 * given[n] + 1), -n))] += 1
    return given


def shares(ratios: Sequence[float]) -> list[Fraction]:
    """Ratios of any scale as exact parts of 1.

    Raises:
        InputError: there is none, or one is not above 0.
    """
    exact = [Fraction(ratio).limit_denominator(10**6) for ratio in ratios]
    if not exact or min(exact) <= 0:
        raise InputError(f"the ratios of the sources are {list(ratios)}; give one above 0 for each")
    return [ratio / sum(exact) for ratio in exact]


def batch_sizes(batch_size: int, ratios: Sequence[float]) -> list[int]:
    """What to give each source as its own `Batching.batch_size`: most steps then take its batches as they come."""
    return [max(1, int(batch_size * share)) for share in shares(ratios)]


class Mixture:
    """`for step in mixture` is one epoch: each step a list with one batch a source, in the order of the sources.

    A source without an image in a step is left out of its list. Sources go on from epoch to epoch, each through its own
    epochs. `state_dict` belongs to the step that came last; a mixture of the same sources, on any rank and with any
    number of workers, goes on with the one after.
    """

    def __init__(
        self, loaders: Sequence[BatchLoader], ratios: Sequence[float], batch_size: int, steps: int | None = None
    ) -> None:
        """Nothing is loaded.

        Args:
            loaders: one a source, with `drop_last`, of one rank.
            ratios: parts of a step, of any scale.
            batch_size: images in a step, of all sources of this rank.
            steps: in an epoch; None for as many as go once through the first source.

        Raises:
            InputError: the arguments do not fit each other.
        """
        self._loaders, self._ratios, self.batch_size = list(loaders), shares(ratios), batch_size
        self._check(batch_size, steps)
        first = len(loaders[0]) * loaders[0].images.batching.batch_size
        self._steps = steps or max(1, int(first / (batch_size * self._ratios[0])))
        self._next = self._seen = 0
        self._at, self._streams = -1, []

    def _check(self, batch_size: int, steps: int | None) -> None:
        if len(self._loaders) != len(self._ratios):
            raise InputError(f"{len(self._loaders)} sources have {len(self._ratios)} ratios; give each source one")
        if batch_size < 1 or (steps is not None and steps < 1):
            raise InputError(f"batch_size is {batch_size} and steps {steps}; give whole numbers above 0")
        batchings = [loader.images.batching for loader in self._loaders]
        if not all(batching.drop_last for batching in batchings):
            raise InputError("the sources of a mixture need drop_last, so that their batches have one size")
        if len({(batching.rank, batching.world_size) for batching in batchings}) > 1:
            raise InputError("the sources of a mixture are for different ranks; give all the same rank and world_size")

    def __len__(self) -> int:
        return self._steps

    def sizes(self, step: int) -> list[int]:
        """How many images each source gives in a step, counted from the start of the training."""
        before, after = (apportioned(n * self.batch_size, self._ratios) for n in (step, step + 1))
        return [a - b for a, b in zip(after, before, strict=True)]

    def __iter__(self) -> Iterator[list[ImageBatch]]:
        start = self._seen = self._next
        self._next = end = (start // self._steps + 1) * self._steps
        if self._at != start:
            given = apportioned(start * self.batch_size, self._ratios)
            self._streams = [_Stream(loader, count) for loader, count in zip(self._loaders, given, strict=True)]
        for step in range(start, end):
            self._at = -1  # a step that is broken off leaves the streams nowhere
            taken = [(stream, size) for stream, size in zip(self._streams, self.sizes(step), strict=True) if size]
            batches = [stream.take(size) for stream, size in taken]
            self._at = self._seen = step + 1
            yield batches

    def state_dict(self) -> dict[str, Any]:
        """Where the mixture is, in numbers and texts alone."""
        return {"step": self._seen, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the step at which `state` was taken.

        Raises:
            InputError: it is of other sources, ratios or batches, so its steps are others.
        """
        differences = self._differences(state)
        if differences:
            raise InputError(
                f"the mixture cannot go on where it was ({'; '.join(differences)}); make it equal or start anew"
            )
        self._next = self._seen = state["step"]

    def _identity(self) -> dict[str, Any]:
        loaders = [{key: loader.state_dict()[key] for key in ("content", "batching")} for loader in self._loaders]
        ratios = [str(ratio) for ratio in self._ratios]
        return {"ratios": ratios, "batch_size": self.batch_size, "steps": self._steps, "sources": loaders}

    def _differences(self, state: dict[str, Any]) -> list[str]:
        own = self._identity()
        found = [f"{k} was {state[k]} and is {own[k]}" for k in ("ratios", "batch_size", "steps") if state[k] != own[k]]
        if len(state["sources"]) != len(own["sources"]):
            return [*found, f"there were {len(state['sources'])} sources and are {len(own['sources'])}"]
        for number, (loader, there) in enumerate(zip(self._loaders, state["sources"], strict=True), 1):
            differences = loader.images.batching.differences(Batching(**there["batching"]))
            differences += ["the images are others"] * (there["content"] != loader.images.content)
            found += [f"source {number}: {difference}" for difference in differences]
        return found


class _Stream:
    """A source's images one after the other, epoch after epoch, taken in any numbers."""

    def __init__(self, loader: BatchLoader, first: int) -> None:
        """From the image of that number on."""
        batch, self._offset = divmod(first, loader.images.batching.batch_size)
        epoch, batch = divmod(batch, len(loader))
        loader.load_state_dict(loader.state_dict() | {"epoch": epoch, "batch": batch})
        self._batches = self._endless(loader)
        self._rest: ImageBatch | None = None

    @staticmethod
    def _endless(loader: BatchLoader) -> Iterator[ImageBatch]:
        while True:
            yield from loader

    def take(self, count: int) -> ImageBatch:
        """The next images."""
        parts: list[ImageBatch] = []
        while count:
            if self._rest is None:
                batch = next(self._batches)
                self._rest, self._offset = batch[self._offset :] if self._offset else batch, 0
            whole = len(self._rest) <= count
            parts.append(self._rest if whole else self._rest[:count])
            self._rest = None if whole else self._rest[count:]
            count -= len(parts[-1])
        return ImageBatch.joined(parts)

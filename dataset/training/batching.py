"""Which rows make which batch: arithmetic on counts alone, no file is opened.

An epoch is one sequence of all rows: row groups in random order, cut into windows of a few groups, rows mixed inside a
window. Each rank takes an equal stretch of the sequence and cuts it into batches. The batches of a rank are dealt to a
few lanes, stretches again, and come in turns from one lane after the other. So a process that does every n-th batch
keeps to its own windows when n divides the lanes, and the order of the batches is the same for any number of processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dataset.errors import InputError
from hands.random_streams import stream


@dataclass(frozen=True)
class Batching:
    """How an epoch becomes batches. The same values give the same batches in the same order."""

    batch_size: int = 64
    seed: int = 0
    shuffle: bool = True
    """Off: rows in the order of the shards, for validation."""
    rank: int = 0
    """Number of this training process among `world_size`."""
    world_size: int = 1
    drop_last: bool = False
    """Leave out the rows that fill no whole batch on every rank: other ones each epoch."""
    window: int = 4
    """Row groups that are mixed at a time; each lane holds so many in memory."""
    lanes: int = 8
    """A multiple of the worker processes, or of some of them, so that no two read the same groups."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "world_size", "window", "lanes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a whole number above 0")
        if not 0 <= self.rank < self.world_size:
            raise InputError(f"rank is {self.rank} of {self.world_size} ranks; ranks are counted from 0")

    def differences(self, there: "Batching") -> list[str]:
        """What makes the batches of all ranks others than those of another batching, in words."""
        names = [f.name for f in fields(self) if f.name != "rank" and getattr(self, f.name) != getattr(there, f.name)]
        return [f"{name} was {getattr(there, name)} and is {getattr(self, name)}" for name in names]


class Piece(NamedTuple):
    """Neighbouring rows of one window."""

    window: int
    first: int
    """Place in the window's own order."""
    last: int
    """One beyond."""


class EpochOrder:
    """The sequence of all rows in one epoch, from the rows of each row group (g groups)."""

    def __init__(self, rows: Int[np.ndarray, "g"], batching: Batching, epoch: int) -> None:
        self._rows, self._batching, self._epoch = rows, batching, epoch
        groups = np.arange(len(rows))
        self._groups = stream(batching.seed, "groups", epoch).permutation(groups) if batching.shuffle else groups
        ends = np.cumsum(rows[self._groups])
        self._starts = np.concatenate([[0], ends[batching.window - 1 : -1 : batching.window], ends[-1:]])

    def groups(self, window: int) -> Int[np.ndarray, "w"]:
        """The row groups of a window, in the order in which they are read."""
        size = self._batching.window
        return self._groups[window * size : (window + 1) * size]

    def rows(self, window: int) -> Int[np.ndarray, "r"]:
        """The window's rows in their order: indices into the rows that `groups` hold one after the other."""
        count = int(self._starts[window + 1] - self._starts[window])
        if not self._batching.shuffle:
            return np.arange(count)
        return stream(self._batching.seed, "rows", self._epoch, window).permutation(count)

    def pieces(self, first: int, last: int) -> Iterator[Piece]:
        """What the rows `first` to `last` (one beyond) of the sequence are, window by window."""
        window = int(np.searchsorted(self._starts, first, side="right")) - 1
        while first < last:
            start, end = self._starts[window : window + 2].tolist()
            yield Piece(window, first - start, min(last, end) - start)
            first, window = end, window + 1


class RankBatches:
    """The batches of one rank as stretches of the epoch's sequence.

    Raises:
        InputError: the rows cannot be dealt so that every rank has as many batches.
    """

    def __init__(self, rows: int, batching: Batching) -> None:
        self._batching = batching
        size, ranks, rank = batching.batch_size, batching.world_size, batching.rank
        whole = rows // (ranks * size)
        self.count = whole if batching.drop_last else -(-rows // (ranks * size))
        self._first, self._last = (
            (place * whole * size if batching.drop_last else place * rows // ranks) for place in (rank, rank + 1)
        )
        if self.count == 0 or rows // ranks < self.count:
            raise InputError(
                f"{rows} images do not make equally many batches of {size} for {ranks} ranks; change batch_size or drop_last"
            )

    def __len__(self) -> int:
        return self.count

    def lane(self, number: int) -> int:
        """The lane of the batch that comes as number `number`."""
        return number % min(self._batching.lanes, self.count)

    def bounds(self, number: int) -> tuple[int, int]:
        """First row and one beyond the last, in the epoch's sequence, of the batch that comes as number `number`.

        A batch near the end of the stretch gives up rows where otherwise a later one would be empty.
        """
        lanes, lane = min(self._batching.lanes, self.count), self.lane(number)
        place = lane * (self.count // lanes) + min(lane, self.count % lanes) + number // lanes
        return self._edge(place), self._edge(place + 1)

    def _edge(self, place: int) -> int:
        left = self.count - place
        return min(self._first + place * self._batching.batch_size, self._last - left)

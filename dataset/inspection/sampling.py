"""Numbers of many rows: their ends and mean exactly, everything else from a uniform sample that is always the same.

A row is in the sample when the checksum of its id is among the smallest. So the order of rows and shards changes nothing,
the same rows are chosen whenever somebody looks, and the first rows of a sample are a smaller sample.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt64

SAMPLE = 20_000
"""Rows from which distributions are drawn; all of them when there are no more."""
_LAST = np.iinfo(np.uint64).max


@dataclass(frozen=True, eq=False)
class Distribution:
    """How one number is distributed over all rows."""

    count: int
    """Numbers of all rows, two a row where each hand has one."""
    low: float
    high: float
    mean: float
    sample: Float[np.ndarray, "s"]

    @property
    def is_thinned(self) -> bool:
        """Whether the sample leaves numbers out."""
        return len(self.sample) < self.count

    @property
    def median(self) -> float:
        """Of the sample; not a number when there is none."""
        return float(np.median(self.sample)) if self.count else float("nan")

    def times(self, factor: float) -> "Distribution":
        """The same in another unit."""
        return Distribution(self.count, *(factor * x for x in (self.low, self.high, self.mean)), factor * self.sample)


class Sample:
    """At most `size` rows, chosen by the checksum of their ids, in the order of the checksums."""

    def __init__(self, size: int = SAMPLE) -> None:
        self.size = size
        self._limit = _LAST
        self._parts: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []

    def add(self, ids: Iterable[str], columns: Mapping[str, np.ndarray]) -> None:
        """Offer rows; every call names the same columns."""
        keys = _keys(ids)
        chosen = keys <= self._limit
        self._parts.append((keys[chosen], {name: values[chosen] for name, values in columns.items()}))
        if sum(len(part[0]) for part in self._parts) > 2 * self.size:
            self._shrink()

    def columns(self) -> dict[str, np.ndarray]:
        """The chosen rows; no columns when no row was ever offered."""
        if self._parts:
            self._shrink()
        return dict(self._parts[0][1]) if self._parts else {}

    def _shrink(self) -> None:
        keys = np.concatenate([keys for keys, _ in self._parts])
        first = np.argsort(keys, kind="stable")[: self.size]
        names = self._parts[0][1]
        columns = {name: np.concatenate([part[name] for _, part in self._parts])[first] for name in names}
        self._parts = [(keys[first], columns)]
        if len(first) == self.size:
            self._limit = keys[first[-1]]


def _keys(ids: Iterable[str]) -> UInt64[np.ndarray, "n"]:
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


@dataclass
class _Tally:
    """Count, ends and sum of numbers seen so far."""

    count: int = 0
    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0

    def add(self, values: Float[np.ndarray, "..."]) -> None:
        self.count += values.size
        self.low = min(self.low, float(values.min(initial=np.inf)))
        self.high = max(self.high, float(values.max(initial=-np.inf)))
        self.total += float(values.sum())


class Survey:
    """Rows seen batch by batch: tallies of their numbers, and one sample of whole rows."""

    def __init__(self, size: int = SAMPLE) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._sample = Sample(size)

    def add(
        self, ids: Iterable[str], numbers: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Count `numbers` ((rows,) or, one for each hand, (rows, 2)); keep them and `others` for the rows sampled."""
        exact = {name: values.astype(np.float64) for name, values in numbers.items()}
        for name, values in exact.items():
            self._tallies.setdefault(name, _Tally()).add(values)
        self._sample.add(ids, {**exact, **(others or {})})

    def columns(self) -> dict[str, np.ndarray]:
        """The rows of the sample."""
        return self._sample.columns()

    def distributions(self, names: Iterable[str]) -> dict[str, Distribution]:
        """Of each of these numbers; empty ones when no row was seen."""
        return {name: self._distribution(name) for name in names}

    def _distribution(self, name: str) -> Distribution:
        tally, values = self._tallies.get(name), self.columns().get(name)
        if tally is None or values is None or not tally.count:
            return Distribution(0, np.nan, np.nan, np.nan, np.zeros(0))
        return Distribution(tally.count, tally.low, tally.high, tally.total / tally.count, values.ravel())

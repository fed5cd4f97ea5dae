"""A part of many images for studies of how much data is needed: every part lies in every larger one of the same seed."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from dataset.errors import InputError


@dataclass(frozen=True)
class Portion:
    """How many images, and by which seed they are chosen."""

    share: float = 1.0
    """Of all images: above 0, at most 1."""
    most: int = 0
    """No more images than this; 0: no limit."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"share is {self.share}; give a part of 1, for example 0.05 for 5 %")
        if self.most < 0:
            raise InputError(f"most is {self.most}; give a number of images, or 0 for no limit")

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.share == 1 and self.most == 0

    def count(self, images: int) -> int:
        """How many of so many images: whole ones, at least one (1 % of 366,358 are 3,663, as in RenderIH, ICCV 2023, §4)."""
        shared = max(1, math.floor(self.share * images + 1e-9))
        return min(shared, self.most or images, images)

    def order(self, names: Sequence[str]) -> Int[np.ndarray, "n"]:
        """All rows in the order in which they are taken, which follows from the seed and each name alone."""
        keys = [(self._key(name), name) for name in names]
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)

    def chosen(self, names: Sequence[str], count: int | None = None) -> Int[np.ndarray, "m"]:
        """The rows that are taken, in their stored order; so many of them instead of those of the share where given."""
        return np.sort(self.order(names)[: self.count(len(names)) if count is None else count])

    def _key(self, name: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()

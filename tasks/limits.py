"""When a run stops before its end: a budget is used up, or what it makes is no good."""

import time
from collections import deque
from dataclasses import dataclass, field

from dataset.work.attempt import Made
from tasks.config import LimitsConfig

RECENT = 400
"""Images whose share of refused ones is watched; below `FEWEST` it says nothing."""
FEWEST = 50


class BudgetSpent(Exception):
    """The run has done what it was allowed to."""


class QualityAlarm(Exception):
    """Too much of what was made had to be refused."""


@dataclass
class Watch:
    """What a run has used and made so far."""

    limits: LimitsConfig
    worker_hours: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _looked: float = field(default_factory=time.monotonic)
    _recent: deque[tuple[int, int]] = field(default_factory=deque)
    """(made, refused) images of the last shards."""

    def spend(self, workers: int) -> None:
        """So many workers have worked since the last call."""
        now = time.monotonic()
        self.worker_hours += workers * (now - self._looked) / 3600
        self._looked = now

    def saw(self, made: Made) -> None:
        """A shard of images was made."""
        counts = {table: shard.rows for table, shard in made}
        if "images" in counts:
            self._recent.append((counts["images"], counts.get("rejected", 0)))
            while len(self._recent) > 1 and sum(map(sum, self._recent)) - sum(self._recent[0]) >= RECENT:
                self._recent.popleft()

    def check(self, images: int) -> None:
        """Compare with the limits.

        Args:
            images: that the dataset has by now.

        Raises:
            BudgetSpent: time, money or the number of images.
            QualityAlarm: too many of the last images were refused.
        """
        limits, hours = self.limits, (time.monotonic() - self._started) / 3600
        total = sum(map(sum, self._recent))
        refused = sum(refused for _, refused in self._recent)
        if total >= FEWEST and refused > limits.max_refused * total:
            raise QualityAlarm(
                f"{refused} of the last {total} images were refused, more than limits.max_refused={limits.max_refused:g}; "
                "rejected/ says why; raise the limit to go on all the same"
            )
        if limits.images and images >= limits.images:
            raise BudgetSpent(f"the dataset has {images} images, limits.images={limits.images}")
        if limits.hours and hours >= limits.hours:
            raise BudgetSpent(f"{hours:.2f} hours have passed, limits.hours={limits.hours:g}")
        cost = self.worker_hours * limits.price_per_hour
        if limits.cost and cost >= limits.cost:
            raise BudgetSpent(f"{self.worker_hours:.1f} worker hours have cost {cost:.2f}, limits.cost={limits.cost:g}")

"""How good the poses of a shard are before and after optimisation, for those who watch; nothing of it enters the dataset.

Both times `hands.referee` judges the same few poses exactly: their names decide which, so that neither order nor number of
copies makes a difference. Judging costs less than optimising, and only a few of the poses are judged.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from hands.naturalness import naturalness_of
from hands.optimise import one_torch_thread
from hands.pose import TwoHandPose
from hands.referee import Interaction, Referee
from tasks.observing.context import surroundings
from tasks.run import Run

SHARE, FEWEST = 16, 8
"""One pose in so many is measured, and so many of a shard at least."""
_FIGURES = {
    "penetration_mm": "max_penetration_mm",
    "limit_excess_deg": "limit_excess_deg",
    "contact_vertices": "contact_vertices",
    "distance_mm": "min_distance_mm",
}
"""Name here to field of a verdict."""


def measured_rows(names: Sequence[str]) -> list[int]:
    """Which poses of a shard are measured, in order."""
    chosen = sorted(range(len(names)), key=lambda row: blake2b(names[row].encode(), digest_size=8).digest())
    return sorted(chosen[: max(FEWEST, -(-len(names) // SHARE))])


def note_before(run: Run, names: Sequence[str], poses: TwoHandPose) -> None:
    """Measure some of the poses that are about to be optimised, if somebody listens."""
    if listener := surroundings().listener:
        some = poses[measured_rows(names)].to("cpu")
        with one_torch_thread():
            natural = naturalness_of(some, run.hands, run.naturalness).tolist()
            listener.measured("before", summary(Referee(run.hands).judge(some), natural))


def note_after(names: Sequence[str], verdicts: Sequence[Interaction], natural: Sequence[float]) -> None:
    """Tell of the same poses as they were judged after it; both sequences have all poses of the shard."""
    if listener := surroundings().listener:
        rows = measured_rows(names)
        listener.measured("after", summary([verdicts[row] for row in rows], [natural[row] for row in rows]))


def summary(verdicts: Sequence[Interaction], natural: Sequence[float]) -> dict[str, Any]:
    """`count` of poses; `mean`, `median`, `p95`, `min` and `max` of each figure, in four digits; empty without poses.

    Figures: `penetration_mm`, `limit_excess_deg`, `contact_vertices`, `distance_mm`, `naturalness`.
    """
    if not verdicts:
        return {}
    values = {name: [getattr(verdict, field) for verdict in verdicts] for name, field in _FIGURES.items()}
    return {"count": len(verdicts)} | {
        name: _spread(found) for name, found in (values | {"naturalness": natural}).items()
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    numbers = np.asarray(values, dtype=np.float64)
    found = {"mean": numbers.mean(), "min": numbers.min(), "max": numbers.max()}
    found |= {name: np.quantile(numbers, share) for name, share in (("median", 0.5), ("p05", 0.05), ("p95", 0.95))}
    return {name: float(f"{value:.4g}") for name, value in found.items()}

"""What can be counted over poses: how the hands meet, how far they are from limits; and a sample of their parameters."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dataset.inspection.batches import Batch, batches
from dataset.inspection.sampling import Distribution, Sample, Survey
from dataset.rows import PARAMETERS
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose

SAMPLED_POSES = 10_000
"""Posing and comparing hands takes longer than counting them."""
MEASURES = (
    "min_distance_mm",
    "max_penetration_mm",
    "contact_vertices",
    "limit_excess_deg",
    "naturalness",
    "forearm_depth_mm",
)
"""Columns of `poses` with one number a pose."""
MAPPED = 1000
"""Poses of each kind, raw and augmented, for the map."""
_HANDS = tuple(f"{side}.{name}" for side in Side for name in PARAMETERS)
_KEPT = ("pose_id", "base_pose", "split", "augmentation", *_HANDS)


@dataclass(frozen=True, eq=False)
class PoseSample:
    """Some rows of `poses` (s of them) as columns; none without poses."""

    columns: dict[str, np.ndarray]
    """Names, augmentation and parameters."""

    def __len__(self) -> int:
        return len(self.columns.get("pose_id", ()))

    def poses(self) -> TwoHandPose:
        """The poses, world frame."""
        return TwoHandPose(*(HandPose(*(self._parameter(side, name) for name in PARAMETERS)) for side in Side))

    def _parameter(self, side: Side, name: str) -> torch.Tensor:
        return torch.as_tensor(self.columns[f"{side}.{name}"], dtype=torch.float32)


@dataclass(frozen=True, eq=False)
class PoseFacts:
    """What holds of the accepted poses."""

    count: int
    raw: int
    """Poses as they were read: augmentation 0."""
    numbers: dict[str, Distribution]
    """Each of `MEASURES`."""
    sample: PoseSample
    """Of all poses."""
    mapped: PoseSample
    """So many raw and so many augmented ones: of 30 times more augmented ones the raw would hardly be seen."""


def survey_poses(paths: Iterable[Path], advance: Callable[[int], None], sample: int = SAMPLED_POSES) -> PoseFacts:
    """Read all rows of `poses` once.

    Raises:
        InputError: a shard is missing or damaged.
    """
    survey, kinds = Survey(sample), (Sample(MAPPED), Sample(MAPPED))
    count = raw = 0
    for batch in batches(paths, (*_KEPT, *MEASURES)):
        as_read = batch["augmentation"] == 0
        kept = {name: batch[name] for name in _KEPT}
        survey.add(batch["pose_id"], {name: batch[name] for name in MEASURES}, kept)
        for kind, rows in zip(kinds, (as_read, ~as_read), strict=True):
            kind.add(batch["pose_id"][rows], {name: values[rows] for name, values in kept.items()})
        count, raw = count + len(as_read), raw + int(as_read.sum())
        advance(len(as_read))
    mapped = PoseSample(_joined(*(kind.columns() for kind in kinds)))
    return PoseFacts(count, raw, survey.distributions(MEASURES), PoseSample(survey.columns()), mapped)


def _joined(raw: Batch, augmented: Batch) -> Batch:
    return {name: np.concatenate([raw[name], augmented[name]]) for name in raw}

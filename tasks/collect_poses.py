"""Raw two-hand poses of the configured source, as the shards of candidates that the pose steps work on."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataset.readers.source import RawPoses, rejected_row
from dataset.schema import REJECTED
from dataset.shards import write_shard
from hands.pose import TwoHandPose
from tasks.run import Run
from tasks.step import step

UNREADABLE = "read"
"""Shard of `rejected/` that lists what could not be read."""


@dataclass(frozen=True, eq=False)
class PoseBatch:
    """Poses with their names: one shard of pose work, in whatever state the steps have brought it to."""

    shard: str
    names: list[str]
    """Pose ids."""
    bases: list[str]
    """The raw pose that each came from."""
    copies: list[int]
    """Augmentation number, 0 for the raw pose itself."""
    poses: TwoHandPose
    splits: list[str]
    source: str = "gestures"

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Candidates(Sequence[PoseBatch]):
    """All candidates as still unvaried copies of their raw pose, cut into shards.

    A shard is made when it is asked for: only the raw poses are kept, not their copies.
    """

    raw: RawPoses
    copies: int
    """Of each raw pose, number 0 included."""
    size: int
    """Poses in a shard."""
    source: str

    def __len__(self) -> int:
        return -(-len(self.raw.names) * self.copies // self.size)

    def __getitem__(self, index: int) -> PoseBatch:
        number = range(len(self))[index]
        first = number * self.size
        last = min(first + self.size, len(self.raw.names) * self.copies)
        rows = [divmod(row, self.copies) for row in range(first, last)]
        bases = [self.raw.names[base] for base, _ in rows]
        return PoseBatch(
            shard=f"{number:05d}",
            names=[f"{base}-a{copy:03d}" for base, (_, copy) in zip(bases, rows, strict=True)],
            bases=bases,
            copies=[copy for _, copy in rows],
            poses=self.raw.poses[[base for base, _ in rows]],
            splits=[self.raw.splits[base] for base, _ in rows],
            source=self.source,
        )


@step
def collect_poses(run: Run) -> Candidates:
    """The shards of candidates; what could not be read goes to `rejected/`."""
    raw, kind = run.source.raw, run.source.kind
    if raw.faults and not run.manifest.done("rejected", UNREADABLE):
        rows = [rejected_row(fault, kind) for fault in raw.faults]
        run.manifest.add("rejected", write_shard(run.manifest.path("rejected", UNREADABLE), rows, REJECTED))
    wanted = [row for row, split in enumerate(raw.splits) if split in run.config.splits]
    return Candidates(raw[wanted], run.config.augmentation.copies + 1, run.config.shards.poses, kind)

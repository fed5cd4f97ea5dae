"""Raw two-hand poses of the configured source, as the shards of candidates that the pose steps work on."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataset.readers.source import RawPoses, rejected_row
from dataset.work.attempt import Attempt
from dataset.work.raw_poses import write_raw
from hands.pose import TwoHandPose
from tasks.run import Run
from tasks.step import step


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

    @property
    def shards(self) -> list[str]:
        """Names of the shards."""
        return [f"{number:05d}" for number in range(len(self))]

    def __len__(self) -> int:
        return -(-len(self.raw.names) * self.copies // self.size)

    def __getitem__(self, index: int) -> PoseBatch:
        number = range(len(self))[index]
        first = number * self.size
        last = min(first + self.size, len(self.raw.names) * self.copies)
        rows = [divmod(row, self.copies) for row in range(first, last)]
        bases = [self.raw.names[base] for base, _ in rows]
        return PoseBatch(
            shard=self.shards[number],
            names=[f"{base}-a{copy:03d}" for base, (_, copy) in zip(bases, rows, strict=True)],
            bases=bases,
            copies=[copy for _, copy in rows],
            poses=self.raw.poses[[base for base, _ in rows]],
            splits=[self.raw.splits[base] for base, _ in rows],
            source=self.source,
        )


@step
def collect_poses(run: Run, shard: str, attempt: Attempt) -> None:
    """Read the raw poses, for all who work; what could not be read is in a shard of `rejected/`, even when it is nothing."""
    write_raw(run.store, run.source.raw)
    attempt.write("rejected", shard, [rejected_row(fault, run.source.kind) for fault in run.source.raw.faults])


def candidates(run: Run) -> Candidates:
    """The shards of candidates that a run works on."""
    raw = run.raw
    wanted = [row for row, split in enumerate(raw.splits) if split in run.config.splits]
    return Candidates(raw[wanted], run.config.augmentation.copies + 1, run.config.shards.poses, run.source.kind)

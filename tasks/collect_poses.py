"""Raw two-hand poses: from the gesture library until real recordings are read."""

from dataclasses import dataclass

from hands.gestures import gesture_pose
from hands.joints import Side
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
    source: str = "gestures"

    def __len__(self) -> int:
        return len(self.names)


@step
def collect_poses(run: Run) -> list[PoseBatch]:
    """All candidates as still unvaried copies of their raw pose, cut into shards."""
    right, left = run.hands[Side.RIGHT], run.hands[Side.LEFT]
    raw = TwoHandPose.stack([gesture_pose(gesture, right, left) for gesture in run.gestures])
    rows = [(g, copy) for g in range(len(run.gestures)) for copy in range(run.config.augmentation.copies + 1)]
    size = run.config.shards.poses
    return [_batch(run, raw, f"{i // size:05d}", rows[i : i + size]) for i in range(0, len(rows), size)]


def _batch(run: Run, raw: TwoHandPose, shard: str, rows: list[tuple[int, int]]) -> PoseBatch:
    bases = [run.gestures[g].name for g, _ in rows]
    return PoseBatch(
        shard=shard,
        names=[f"{base}-a{copy:03d}" for base, (_, copy) in zip(bases, rows, strict=True)],
        bases=bases,
        copies=[copy for _, copy in rows],
        poses=raw[[g for g, _ in rows]],
    )

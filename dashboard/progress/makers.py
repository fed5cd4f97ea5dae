"""Who made a dataset, told by its history: it stays when the workers are gone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dashboard.watching.stages import STAGES, Stage
from dashboard.watching.told import device_of, number, text
from tasks.observing.history import Line

UNKNOWN = "not told"
"""Worker of a shard whose maker left no note."""
_STAGES = {stage.name: stage for stage in STAGES}


@dataclass
class Maker:
    """What a worker has made at a stage."""

    name: str
    devices: Counter[str] = field(default_factory=Counter)
    """Device to shards that were made on it."""
    shards: int = 0
    rows: int = 0
    refused: int = 0
    seconds: float = 0.0
    timed: int = 0
    """Rows and refused ones of shards whose time is known."""

    @property
    def device(self) -> str:
        """The one on which most was made, and how many others there were."""
        names = [name for name, _ in self.devices.most_common()]
        return " and ".join([*names[:1], *([f"{len(names) - 1} more"] if names[1:] else [])])

    @property
    def an_hour(self) -> float | None:
        """Things decided, made or refused, in an hour of its work; None where nobody knows."""
        return 3600 * self.timed / self.seconds if self.seconds and self.timed else None

    def add(self, line: Line) -> None:
        """A shard that it made."""
        rows, refused, seconds = int(number(line, "rows")), int(number(line, "refused")), number(line, "seconds")
        self.devices[device_of(line)] += 1
        self.shards, self.rows, self.refused = self.shards + 1, self.rows + rows, self.refused + refused
        self.seconds += seconds
        self.timed += rows + refused if seconds else 0


@dataclass(frozen=True)
class Work:
    """What was made at a stage."""

    stage: Stage
    makers: Sequence[Maker]
    """Who made most comes first."""
    total: Maker


def work_of(history: Iterable[Line]) -> list[Work]:
    """By stage, in the order in which a run goes through them; stages that no line is of are left out."""
    makers: dict[str, dict[str, Maker]] = defaultdict(dict)
    totals: dict[str, Maker] = {}
    for line in history:
        stage, name = text(line, "stage"), text(line, "worker") or UNKNOWN
        makers[stage].setdefault(name, Maker(name)).add(line)
        totals.setdefault(stage, Maker("All")).add(line)
    return [
        Work(stage, sorted(makers[name].values(), key=lambda maker: (-maker.rows, maker.name)), totals[name])
        for name, stage in _STAGES.items()
        if name in totals
    ]

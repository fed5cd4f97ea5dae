"""What alarms ask of a run's rows: a handful of aggregates, asked again when the rows have changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb

from dashboard.rows.index import RowIndex
from dashboard.watching.run import RunState
from dashboard.watching.told import number
from tasks.observing.history import Line

RECENT = 400
"""Images whose share of refused ones counts while a run goes on, as in `tasks.limits`; as many looked-at pictures."""
FEWEST = 50
"""Images or poses below which a share of refused ones says nothing, as in `tasks.limits`."""
RENDER, VALIDATE = "render", "validate"
"""Steps that refuse images and optimised poses, as `rejected.stage` names them."""


class Share(NamedTuple):
    """A part of a whole, by count."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self.part / self.whole if self.whole else 0.0


_NONE = Share(0, 0)


@dataclass(frozen=True)
class Facts:
    """Of the rows that are read so far."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By step and reason."""
    deep: int = 0
    """Accepted poses deeper than the limit."""
    deepest: tuple[str, float] = ("", 0.0)
    """Accepted pose with the deepest penetration, and its depth in mm."""
    recent_black: Share = _NONE
    """Nearly black ones of the pictures that were looked at last."""
    black: Share = _NONE
    """Nearly black ones of all pictures that were looked at."""

    def refused_by(self, step: str) -> int:
        """Rows that a step has refused."""
        return sum(count for (stage, _), count in self.refused.items() if stage == step)

    def main_reason(self, step: str) -> str:
        """For which a step has refused most; empty for none."""
        reasons = {reason: count for (stage, reason), count in self.refused.items() if stage == step}
        return max(reasons, key=reasons.__getitem__, default="")


def facts_of(index: RowIndex, penetration_mm: float) -> Facts:
    """Ask the rows.

    Raises:
        duckdb.Error: they cannot be asked now.
    """
    refused = index.ask("SELECT stage, reason, count(*) FROM refusals GROUP BY stage, reason")
    deep = index.ask(
        "SELECT count(*) FILTER (max_penetration_mm > $limit::FLOAT), arg_max(pose_id, max_penetration_mm), "
        "max(max_penetration_mm) FROM poses WHERE isfinite(max_penetration_mm)",
        {"limit": penetration_mm},
    )
    ((count, name, depth),) = deep
    return Facts(
        Counter({(stage or "", reason or ""): number_of for stage, reason, number_of in refused}),
        count,
        (name or "", depth or 0.0),
        _black(index, f"(SELECT black FROM photos ORDER BY arrived DESC LIMIT {RECENT})"),
        _black(index, "photos"),
    )


def _black(index: RowIndex, pictures: str) -> Share:
    """Of none, where no picture has been looked at."""
    try:
        ((black, looked),) = index.ask(f"SELECT count(*) FILTER (black), count(black) FROM {pictures}")
    except (duckdb.CatalogException, duckdb.BinderException):
        return _NONE
    return Share(black, looked)


def is_over(state: RunState) -> bool:
    """Whether the dataset is finished; one that was stopped and published may go on."""
    return state.is_finished and not any(worker.is_at_work for worker in state.workers)


def refused_images(state: RunState, facts: Facts) -> Share:
    """While the run goes on of the last images, from its history; of a finished dataset, or without a history, of all."""
    if not is_over(state) and (recent := _recent(state.history)).whole:
        return recent
    refused = facts.refused_by(RENDER)
    return Share(refused, state.rows("images") + refused)


def refused_poses(state: RunState, facts: Facts) -> Share:
    """Of all optimised poses so far: how many are refused differs from base pose to base pose."""
    refused = facts.refused_by(VALIDATE)
    return Share(refused, state.rows("poses") + refused)


def _recent(history: Sequence[Line]) -> Share:
    """Of whole shards, so many that the last `RECENT` images are among them."""
    refused = whole = 0
    for line in reversed(history):
        if line.get("stage") == "images" and whole < RECENT:
            refused += int(number(line, "refused"))
            whole += int(number(line, "rows") + number(line, "refused"))
    return Share(refused, whole)

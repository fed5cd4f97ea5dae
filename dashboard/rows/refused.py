"""How much each step of a run refused, and why, counted in the rows that are known so far."""

from dataclasses import dataclass

from dashboard.rows.index import RowIndex

STEPS = {"read": "Reading", "validate": "Poses", "plan": "Views", "render": "Images"}
"""Step to what it decides on."""
_TRIED = """
    SELECT
        (SELECT count(*) FROM poses),
        (SELECT count(*) FROM plan),
        (SELECT count(*) FROM samples),
        (SELECT count(DISTINCT (source, base_pose)) FROM
            (SELECT source, base_pose FROM poses UNION ALL SELECT source, base_pose FROM refusals WHERE stage = 'validate'))
"""


@dataclass(frozen=True)
class Refused:
    """Of one step."""

    step: str
    title: str
    tried: int
    """What it had to decide on."""
    reasons: dict[str, int]
    """Reason to count, the most frequent first."""

    @property
    def count(self) -> int:
        """All that it refused."""
        return sum(self.reasons.values())

    @property
    def share(self) -> float | None:
        """From 0 to 1; None when it had nothing to decide on."""
        return self.count / self.tried if self.tried else None


def refused(index: RowIndex) -> dict[str, Refused]:
    """Step to what it refused; shares are those of `dataset.inspection.statistics.Inspection.tried`."""
    rows = index.ask("SELECT stage, reason, count(*) FROM refusals GROUP BY ALL ORDER BY 3 DESC, 2")
    (poses, planned, images, bases) = index.ask(_TRIED)[0]
    passed = {"read": bases, "validate": poses, "plan": max(planned, images), "render": images}
    found = {}
    for step in [*STEPS, *dict.fromkeys(stage for stage, *_ in rows if stage not in STEPS)]:
        reasons = {reason: number for stage, reason, number in rows if stage == step}
        tried = passed.get(step, 0) + sum(reasons.values())
        found[step] = Refused(step, STEPS.get(step, step), tried, reasons)
    return found

"""How good poses and pictures of a run are, what was refused, and whether quality changes while the run goes on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from dashboard.desk import Desk
from dashboard.quality.cards import (
    HAND,
    IMAGE,
    PHOTO,
    POSES,
    Allowed,
    Counts,
    hand_cards,
    photo_cards,
    pose_cards,
    tiles,
)
from dashboard.quality.charts import before_after, three
from dashboard.quality.curves import curves
from dashboard.quality.figures import BINS, HANDS, Rule, beyond, every, refusals, rows_of, spreads
from dashboard.quality.optimised import Change, changes
from dashboard.rows.index import RowIndex
from dashboard.rows.photos import EACH, Photos
from dashboard.rows.refused import STEPS
from dashboard.settings import Alarms
from dashboard.watching.run import RunState, WatchedRun
from dataset.inspection.wording import measured

_CHANGES = {
    "penetration_mm": ("Deepest penetration", "mm", "Less is better; what is left too deep is refused."),
    "distance_mm": ("Hand distance", "mm", "Hands that were apart are drawn together; 0 where they touch."),
    "contact_vertices": (
        "Touching vertices",
        "",
        "Within 3 mm or inside: what was inside is freed, what touches stays.",
    ),
    "limit_excess_deg": ("Excess of joint limits", "°", "0 is right: every joint within its range."),
    "naturalness": ("Naturalness", "", "More is better, 1 is best."),
}
"""Figure to title, unit, and what is good."""


_UNITS = {
    "penetration": "mm",
    "joint limit": "°",
    "hands too far apart": "mm",
    "a forearm in the other arm": "mm",
    "too little contact": "vertices",
}
"""Of what is measured by a rule, where it has a unit."""


@dataclass(frozen=True)
class Refusal:
    """A line of the table of refused rows."""

    step: str
    reason: str
    count: int
    of: int
    """All that the step has refused."""
    measured: str
    allowed: str


@dataclass(frozen=True)
class Compared:
    """A figure before and after optimisation."""

    title: str
    before: str
    after: str
    """Medians."""
    chart: Markup
    note: str


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME/quality`."""
    routes = APIRouter()
    kept: dict[str, tuple[tuple, dict[str, Any]]] = {}

    @routes.get("/runs/{name}/quality")
    def quality(request: Request, name: str) -> Response:
        run = desk.run(name)
        return desk.page(request, "quality.html", "quality", lambda: content(run), run)

    def content(run: WatchedRun) -> dict[str, Any]:
        """Asked of the rows anew when they have changed: a beat of a worker changes nothing here."""
        state, index, photos = run.state, desk.index(run), desk.keeper.photos(run.name)
        of = (index.version, photos.version, photos.waiting, len(state.history), state.manifest is None)
        if run.name not in kept or kept[run.name][0] != of:
            kept[run.name] = (of, content_of(state, index, photos, desk.settings.alarms))
        return kept[run.name][1]

    return routes


def content_of(state: RunState, index: RowIndex, photos: Photos, alarms: Alarms) -> dict[str, Any]:
    """What the template shows."""
    poses, hands = spreads(index, "poses", POSES), spreads(index, HANDS, HAND)
    images, looked = spreads(index, "samples", IMAGE), spreads(index, "photos", PHOTO)
    changed, refused, rows = changes(state.history), refusals(index), rows_of(index, "samples")
    counts = _counts(index, refused, alarms)
    return {
        "tiles": tiles(poses, hands, images["seconds"], counts, photos, alarms),
        "pose_cards": pose_cards(poses, counts, _allowed(state), alarms),
        "compared": [_compared(changed[name], *about) for name, about in _CHANGES.items() if name in changed],
        "measured": max((change.count for change in changed.values()), default=0),
        "hand_cards": hand_cards(hands, images["less"]),
        "photo_cards": photo_cards(looked),
        "photos": photos,
        "each": EACH,
        "bins": BINS,
        "curves": curves(index, alarms),
        "refused": _lines(refused),
        "poses": counts.poses,
        "images": rows,
        "pose_step": every(counts.poses),
        "image_step": every(rows),
    }


def _counts(index: RowIndex, refused: Sequence[Rule], alarms: Alarms) -> Counts:
    return Counts(
        poses=rows_of(index, "poses"),
        deep=beyond(index, "poses", "max_penetration_mm > $limit::FLOAT", alarms.penetration_mm),
        touching=beyond(index, "poses", "contact_vertices > 0"),
        refused=sum(rule.count for rule in refused if rule.stage == "validate"),
        black=beyond(index, "photos", "black"),
    )


def _allowed(state: RunState) -> Allowed:
    told = state.config.get("validation")
    items = told.items() if isinstance(told, Mapping) else ()
    return {name: float(value) for name, value in items if isinstance(value, int | float)}


def _lines(rules: Sequence[Rule]) -> list[Refusal]:
    totals = Counter[str]()
    for rule in rules:
        totals[rule.stage] += rule.count
    return [
        Refusal(STEPS.get(rule.stage, rule.stage), rule.reason, rule.count, totals[rule.stage], *_told(rule))
        for rule in rules
    ]


def _told(rule: Rule) -> tuple[str, str]:
    """What was measured and what is allowed; a rule without a number has none."""
    unit, (least, most) = _UNITS.get(rule.reason, ""), rule.allowed
    if rule.measured is None or least is None or most is None:
        return "–", "–"
    allowed = three(least, unit) if least == most else f"{three(least, unit)} to {three(most, unit)}"
    return three(rule.measured, unit), allowed


def _compared(change: Change, title: str, unit: str, note: str) -> Compared:
    before, after = change.before.median, change.after.median
    spread = max(abs(before), abs(after))
    return Compared(title, measured(before, spread), measured(after, spread, unit), before_after(change, unit), note)

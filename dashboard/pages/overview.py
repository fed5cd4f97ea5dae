"""One run at a glance: how it is, how far and how fast, what was refused, what failed, and what it is."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from dashboard.desk import Desk
from dashboard.pages.about import commands, facts, versions
from dashboard.progress.course import Course
from dashboard.progress.forecast import Progress, progress_of
from dashboard.progress.headline import headline_of
from dashboard.progress.pace import device_seconds
from dashboard.rows.index import RowIndex
from dashboard.rows.refused import Refused, refused
from dashboard.series import Series
from dashboard.watching.run import RunState, WatchedRun
from dashboard.watching.stages import IMAGES, POSES, Stage
from dashboard.watching.told import numbers, text
from dataset.inspection.charts import bars

_PICTURES = 8
_SHOWN = 6
"""Reasons of a step, faults and errors."""
_PICTURE_WIDTH, _PICTURE_HEIGHT = 240, 157
"""Of a small picture whose run does not say how large it is."""


class Failures(NamedTuple):
    """Shards that were not made at the first try."""

    troubles: dict[str, int]
    """Class to tries."""
    errors: list[tuple[str, str]]
    """Worker and the last thing that it said of one."""
    aside: list[tuple[str, str, int]]
    """Shard that was set aside, its last fault and the number of its tries."""
    more_aside: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing failed."""
        return not (self.troubles or self.errors or self.aside)


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME`."""
    routes = APIRouter()

    @routes.get("/runs/{name}")
    def overview(request: Request, name: str) -> Response:
        run = desk.run(name)
        return desk.page(request, "overview.html", "overview", lambda: _content(desk, run), run)

    return routes


def _content(desk: Desk, run: WatchedRun) -> dict[str, Any]:
    state, index = run.state, desk.index(run)
    progress, decided = progress_of(state), refused(index)
    course = Course(state)
    hours = {device: seconds / 3600 for device, seconds in device_seconds(state).items()}
    fast = IMAGES if progress.images.shards or progress.images.workers else POSES
    return {
        "progress": progress,
        "headline": headline_of(progress),
        "average": course.average(IMAGES),
        "elapsed": course.elapsed,
        "is_told": course.is_told,
        "hours": hours,
        "cost": sum(hours.values()) * desk.settings.price_per_hour,
        "refused": decided,
        "reasons": [(step, _chart(step)) for step in decided.values() if step.count],
        "failures": _failures(state),
        "curves": _curves(progress, course, fast),
        "unit": fast.unit,
        "pictures": _newest(index),
        "picture_size": _picture_size(state),
        "facts": facts(state),
        "libraries": versions(state),
        "commands": commands(state),
        "flow_runs": desk.watcher.flow_runs.found.get(run.name, ()),
    }


def _chart(step: Refused) -> Markup:
    return Markup(bars(step.reasons, _SHOWN))


def _failures(run: RunState) -> Failures:
    troubles = Counter[str]()
    for worker in run.workers:
        for kind, tries in numbers(worker.record, "troubles").items():
            troubles[kind[:60]] += int(tries)
    errors = [(worker.name, told) for worker in run.workers if (told := text(worker.record, "last_error"))]
    aside = [(shard, faults[-1], len(faults)) for shard, faults in run.aside.items()]
    return Failures(dict(troubles.most_common()), errors[-_SHOWN:], aside[:_SHOWN], max(len(aside) - _SHOWN, 0))


def _curves(progress: Progress, course: Course, of: Stage) -> tuple[Series, Series]:
    """Pace, and things made, over time."""
    made = course.curve(of, time.time())
    factor, per = _scale(made.rates)
    waiting = (
        "Drawn as soon as something is made." if not progress.run.is_finished else "The history does not tell of it."
    )
    rates = Series("pace", made.times, {of.unit: made.rates * factor}, f"/{per}", least=0, empty=waiting)
    planned = progress.images.planned if of is IMAGES else None
    marks = {"planned": float(planned)} if planned else {}
    totals = Series("made", made.times, {of.unit: made.totals}, least=0, most=planned, marks=marks, empty=waiting)
    return rates, totals


def _scale(rates: Iterable[float]) -> tuple[int, str]:
    """Factor and unit of time in which the fastest rate is a number that can be read."""
    fastest = max(rates, default=0.0)
    return next(((f, per) for f, per in ((1, "s"), (60, "min")) if fastest * f >= 1), (3600, "h"))


def _newest(index: RowIndex) -> list[str]:
    """Names of the last samples."""
    rows = index.ask(f"SELECT sample_id FROM samples ORDER BY arrived DESC, number DESC LIMIT {_PICTURES}")
    return [name for (name,) in rows]


def _picture_size(run: RunState) -> tuple[int, int]:
    if run.picture_size is None:
        return _PICTURE_WIDTH, _PICTURE_HEIGHT
    width, height = run.picture_size
    return _PICTURE_WIDTH, max(1, min(round(_PICTURE_WIDTH * height / width), 4 * _PICTURE_WIDTH))

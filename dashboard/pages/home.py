"""All runs at a glance."""

from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from dashboard.alarms.lookout import Alarm
from dashboard.desk import Desk
from dashboard.progress.forecast import Progress, progress_of
from dashboard.progress.headline import Headline, headline_of
from dashboard.training.words import light
from dashboard.watching.run import RunState

_ORDER = ("bad", "working", "late", "none", "good")


class Row(NamedTuple):
    """A run in the list."""

    run: RunState
    progress: Progress
    headline: Headline
    alarms: tuple[Alarm, ...]

    @property
    def worst(self) -> str:
        """Level of its most urgent alarm; empty without one."""
        return "bad" if any(alarm.level == "bad" for alarm in self.alarms) else "late" if self.alarms else ""


def router(desk: Desk) -> APIRouter:
    """The first page: all runs, or the only one."""
    routes = APIRouter()

    @routes.get("/")
    def home(request: Request) -> Response:
        catalogue = desk.catalogue
        if len(catalogue.runs) == 1 and not catalogue.trainings and not catalogue.troubles:
            return RedirectResponse(f"/runs/{next(iter(catalogue.runs))}")
        return desk.page(request, "home.html", "", lambda: _content(desk))

    return routes


def _content(desk: Desk) -> dict[str, Any]:
    rows = [_row(desk, run.state) for run in dict(desk.catalogue.runs).values()]
    rows.sort(key=lambda row: (_ORDER.index(row.headline.kind), row.run.name))
    kinds = [row.headline.kind for row in rows]
    return {
        "rows": rows,
        "working": kinds.count("working"),
        "alarmed": sum(bool(row.alarms) for row in rows),
        "trainings": [(one.state, light(one.state.health)) for one in dict(desk.catalogue.trainings).values()],
        "pictures": len(desk.catalogue.pictures),
    }


def _row(desk: Desk, run: RunState) -> Row:
    progress = progress_of(run)
    return Row(run, progress, headline_of(progress), tuple(desk.lookout.alarms.get(run.name, ())))

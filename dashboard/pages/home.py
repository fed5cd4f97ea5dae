"""All runs at a glance."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from dashboard.desk import Desk


def router(desk: Desk) -> APIRouter:
    """The first page: all runs, or the only one."""
    routes = APIRouter()

    @routes.get("/")
    def home(request: Request) -> Response:
        catalogue = desk.catalogue
        if len(catalogue.runs) == 1 and not catalogue.trainings and not catalogue.troubles:
            return RedirectResponse(f"/runs/{next(iter(catalogue.runs))}")
        content = lambda: {"states": [run.state for run in catalogue.runs.values()]}  # noqa: E731
        return desk.page(request, "home.html", "", content)

    return routes

"""One run at a glance."""

from fastapi import APIRouter, Request, Response

from dashboard.desk import Desk


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME`."""
    routes = APIRouter()

    @routes.get("/runs/{name}")
    def overview(request: Request, name: str) -> Response:
        run = desk.run(name)
        content = lambda: {}  # noqa: E731
        return desk.page(request, "overview.html", "overview", content, run)

    return routes

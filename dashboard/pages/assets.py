"""Files that pages load and that lie in other rooms."""

from importlib import resources

from fastapi import APIRouter, Response

from dashboard.desk import Desk
from dataset.inspection.charts import STYLE


def router(desk: Desk) -> APIRouter:
    """The charts' style sheet, which the inspection's pages hold too."""
    routes = APIRouter()
    style = resources.files("dataset.inspection").joinpath(STYLE).read_bytes()

    @routes.get(f"/style/{STYLE}")
    def charts() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "no-cache"})

    return routes

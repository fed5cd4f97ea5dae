"""One sample: its picture with labels, all that is known of it, its hands in space, and what stands beside it."""

import shlex
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response

from dashboard.desk import Desk
from dashboard.pages.pictures import picture_address
from dashboard.pages.visit import Visit, legend
from dashboard.pictures.cells import PLAIN, Cells
from dashboard.pictures.layers import WIDTHS
from dashboard.pictures.space import POLICY, Space
from dashboard.rows.choice import Choice
from dashboard.rows.index import RowIndex
from dashboard.rows.listing import PAGE, Beside, beside, spot_of, views_of
from dashboard.rows.spot import Spot
from dashboard.watching.run import WatchedRun
from dataset.errors import InputError

_WIDE = tuple(width for width in WIDTHS if width >= 720)
_NUMBERS = 4
"""Of a list of numbers that are shown."""


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME/samples/SAMPLE`, and the same with `/3d`."""
    routes = APIRouter()
    cells = Cells(24 * 1024 * 1024)
    space = Space(cells, desk.settings.mano)

    def found(run: WatchedRun, sample_id: str) -> Spot:
        spot = spot_of(desk.index(run), sample_id)
        if spot is None:
            waiting = desk.index(run).waiting
            later = f" {waiting} of its files are still being read; try again in a moment." if waiting else ""
            raise HTTPException(404, f"{run.name} has no image called “{sample_id[:80]}”.{later}")
        return spot

    @routes.get("/runs/{name}/samples/{sample_id:path}/3d")
    def turned(request: Request, name: str, sample_id: str) -> Response:
        run = desk.run(name)
        spot, theme = found(run, sample_id), _theme(request.query_params.get("theme", ""))
        headers = {"Content-Security-Policy": POLICY, "Cross-Origin-Opener-Policy": "unsafe-none"}
        try:
            page = space.page(run, spot, views_of(desk.index(run), sample_id), theme)
        except InputError as error:
            page = desk.templates.get_template("space_sentence.html").render(sentence=str(error), theme=theme)
            return Response(page, 503, headers, media_type="text/html; charset=utf-8")
        return Response(page, headers=headers | {"Cache-Control": "no-cache"}, media_type="text/html; charset=utf-8")

    @routes.get("/runs/{name}/samples/{sample_id:path}")
    def sample(request: Request, name: str, sample_id: str) -> Response:
        run = desk.run(name)
        spot = found(run, sample_id)
        content = lambda: _content(Visit.of(run, request), desk.index(run), cells, spot)  # noqa: E731
        return desk.page(request, "sample.html", "gallery", content, run)

    return routes


def _content(visit: Visit, index: RowIndex, cells: Cells, spot: Spot) -> dict[str, Any]:
    run, name = visit.run, spot.sample_id
    there = beside(index, visit.choice, name) or Beside(0, 0, False, "", "")
    told = _told(cells, run, spot)
    return told | {
        "visit": visit,
        "name": name,
        "beside": there,
        "previous": visit.sample(there.previous) if there.previous else "",
        "next": visit.sample(there.next) if there.next else "",
        "back": _back(visit, there, name),
        "picture": picture_address(run, spot, visit.layers, 1024),
        "pictures": ", ".join(f"{picture_address(run, spot, visit.layers, width)} {width}w" for width in _WIDE),
        "legend": legend(visit.layers),
        "shape": visit.shape,
        "space": f"/runs/{quote(run.name)}/samples/{quote(name, safe='')}/3d",
        "pose": visit.gallery(Choice(pose=told["pose"])) if told["pose"] else "",
        "views": [visit.thumbnail(other) for other in views_of(index, name)],
        "command": f"render-ih rerender {shlex.quote(name)} --dataset {shlex.quote(run.state.place)}",
    }


def _back(visit: Visit, there: Beside, name: str) -> str:
    """The gallery where this sample is on the page."""
    page = visit.gallery() if there.place < PAGE else visit.gallery(**{"from": name})
    return f"{page}#shot-{quote(name, safe='')}"


def _told(cells: Cells, run: WatchedRun, spot: Spot) -> dict[str, Any]:
    """What is known of the sample, or why nothing is."""
    from dataset.viewer.table import fields

    try:
        row = cells.row(run, spot, PLAIN)
    except InputError as error:
        return {"trouble": str(error), "fields": [], "columns": [], "pose": ""}
    return {"trouble": "", "fields": fields(row), "columns": list(_flat(row)), "pose": row["pose_id"]}


def _flat(row: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """All columns but pictures, by dotted name; the beginning of long ones."""
    found = []
    for name, value in row.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, _shown(value)))
    return found


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, list):
        return "" if value is None else str(value)
    first = ", ".join(_shown(item) for item in value[:_NUMBERS])
    return f"{first}, … ({len(value)} numbers)" if len(value) > _NUMBERS else first or "none"


def _theme(asked: str) -> Literal["", "light", "dark"]:
    return "dark" if asked == "dark" else "light" if asked == "light" else ""

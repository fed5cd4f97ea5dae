"""Pictures of samples, scaled and with labels drawn over them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Request, Response

from dashboard.desk import Desk
from dashboard.pictures.cells import Cells, listed
from dashboard.pictures.kept import Drawers, KeptPictures
from dashboard.pictures.layers import columns_of, drawn, known_layers, known_width
from dashboard.rows.listing import spot_of
from dashboard.rows.spot import Spot
from dashboard.watching.run import WatchedRun
from dataset.errors import InputError

_DRAWING = "1"
"""Goes up when the same row is drawn differently, so that browsers forget the old picture."""
_FOREVER = "private, max-age=31536000, immutable"
_ASK = "private, no-cache"


def picture_address(run: WatchedRun, spot: Spot, layers: Sequence[str] = (), width: int = 480) -> str:
    """Address of a sample's picture; it says where the row is and of which file, so that a browser keeps it for good."""
    query: dict[str, str | int] = {"width": width}
    if layers:
        query["layers"] = ",".join(layers)
    manifest = run.state.manifest
    if manifest and spot.shard in manifest.shards["images"]:
        query |= {"row": f"{spot.shard}:{spot.number}", "of": _version(run, spot)}
    return f"/runs/{quote(run.name)}/pictures/{quote(spot.sample_id, safe='')}.jpg?{urlencode(query, safe=':,')}"


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME/pictures/SAMPLE.jpg?width=480&layers=joints,hands`."""
    routes = APIRouter()
    pictures = _Pictures(desk)

    @routes.get("/runs/{name}/pictures/{sample_id:path}.jpg")
    async def picture(request: Request, name: str, sample_id: str) -> Response:
        run = desk.run(name)
        try:
            return await pictures.drawers.do(pictures.answer, run, sample_id, request)
        except InputError as error:
            if "text/html" in request.headers.get("accept", "") or "image/" not in request.headers.get("accept", ""):
                raise
            return Response(_sentence(str(error)), 503, {"Cache-Control": "no-store"}, media_type="image/svg+xml")

    return routes


class _Pictures:
    """Answers requests for pictures, each in one of the drawing threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self.drawers = desk, Drawers()
        self._cells, self._kept = Cells(), KeptPictures()

    def answer(self, run: WatchedRun, sample_id: str, request: Request) -> Response:
        """The picture, or that the browser has it already."""
        asked = request.query_params
        layers, width = known_layers(asked.getlist("layers")), known_width(asked.get("width"))
        hinted = _hinted(sample_id, asked)
        for spot in ([hinted] if hinted else []) + [None]:
            try:
                return self._of(run, spot or self._spot(run, sample_id), layers, width, request)
            except InputError:
                if spot is None:
                    raise
        raise AssertionError

    def _spot(self, run: WatchedRun, sample_id: str) -> Spot:
        spot = spot_of(self._desk.index(run), sample_id)
        if spot is None:
            raise HTTPException(404, f"{run.name} has no image called “{sample_id[:80]}”.")
        return spot

    def _of(self, run: WatchedRun, spot: Spot, layers: Sequence[str], width: int, request: Request) -> Response:
        key = f"{run.name} {listed(run, spot).sha256} {spot.number} {spot.sample_id} {','.join(layers)} {width} {_DRAWING}"
        etag = f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'
        is_of = request.query_params.get("of") == _version(run, spot)
        headers = {"ETag": etag, "Cache-Control": _FOREVER if is_of else _ASK}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        picture = self._kept.get(key, lambda: drawn(self._cells.row(run, spot, columns_of(layers)), layers, width))
        return Response(picture, headers=headers, media_type="image/jpeg")


def _version(run: WatchedRun, spot: Spot) -> str:
    """Of the file that a row is in, and of the drawing."""
    return f"{listed(run, spot).sha256[:12]}-{_DRAWING}"


def _hinted(sample_id: str, asked: Mapping[str, str]) -> Spot | None:
    """Where an address says that the row is; whether it is there is seen when it is read."""
    shard, _, number = asked.get("row", "").rpartition(":")
    return Spot(sample_id, shard, int(number)) if shard and re.fullmatch("[0-9]{1,9}", number) else None


def _sentence(sentence: str) -> str:
    """A grey picture that says why there is none: browsers show it in the picture's place."""
    words, lines = sentence.split(), [""]
    for word in words[:60]:
        if len(lines[-1]) + len(word) > 44:
            lines.append("")
        lines[-1] += f"{word[:44]} "
    texts = "".join(
        f'<text x="240" y="{166 - 11 * len(lines) + 22 * number}">{escape(line)}</text>'
        for number, line in enumerate(lines, start=1)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 320" width="480" height="320">'
        '<rect width="480" height="320" fill="#80848b"/>'
        f'<g fill="#e2e4e8" font-family="system-ui, sans-serif" font-size="17" text-anchor="middle">{texts}</g></svg>'
    )

"""The web app put together: pages, what they load, the number that tells of changes, errors as sentences."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from dashboard.access import Access, Gate, protected
from dashboard.desk import Desk
from dashboard.pages import ROUTERS
from dataset.errors import InputError

_log = logging.getLogger(__name__)
_STATIC = Path(__file__).parent / "static"


def create_app(desk: Desk, access: Access) -> FastAPI:
    """The app over a desk; its threads run while the app does."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desk.watcher.start()
        desk.keeper.start()
        yield
        desk.watcher.stop()
        desk.background.stop()
        desk.keeper.stop()

    app = FastAPI(title="render-ih", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, access=access)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    for router in ROUTERS:
        app.include_router(router(desk))

    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        """Whether the process answers."""
        return PlainTextResponse("ok\n")

    @app.get("/version")
    async def version() -> PlainTextResponse:
        """Goes up when something has changed; open pages ask every other second, and for themselves when it has."""
        return PlainTextResponse(str(desk.watcher.version), headers={"Cache-Control": "no-store"})

    @app.exception_handler(StarletteHTTPException)
    def told(request: Request, error: HTTPException) -> Response:
        return _sentence(desk, request, error.status_code, str(error.detail))

    @app.exception_handler(InputError)
    def refused(request: Request, error: InputError) -> Response:
        return _sentence(desk, request, 503, str(error))

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        _log.error("%s failed", request.url.path, exc_info=error)
        sentence = f"This page failed ({type(error).__name__}); the terminal's lines say more."
        return protected(_sentence(desk, request, 500, sentence))

    return app


def _sentence(desk: Desk, request: Request, status: int, sentence: str) -> Response:
    if "text/html" not in request.headers.get("accept", "text/html"):
        return JSONResponse({"error": sentence}, status)
    page = desk.written("sentence.html", tab="", title="Not here" if status == 404 else "Not now", sentence=sentence)
    return Response(page, status, media_type="text/html; charset=utf-8")

"""The dashboard over datasets of tests: asked directly, or served on loopback for a browser."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi.testclient import TestClient

from dashboard.access import Access
from dashboard.application import create_app
from dashboard.desk import Desk
from dashboard.serving import new_desk
from dashboard.settings import Settings


@contextmanager
def desk_of(*places: Path | str, ratings: Path = Path("/nonexistent"), **settings) -> Iterator[Desk]:
    """A desk that has looked once and taken over all rows; no thread runs."""
    desk = new_desk(places, Settings(**settings), ratings)
    try:
        look(desk)
        yield desk
    finally:
        desk.background.stop()
        desk.keeper.stop()


def look(desk: Desk) -> None:
    """What the threads would do, until nothing is left to do."""
    desk.watcher.look()
    while desk.keeper.turn():
        pass
    desk.watcher.look()


def client_of(desk: Desk, token: str = "", host: str = "127.0.0.1") -> TestClient:
    """Asks for pages without a server; errors become answers as they do for browsers."""
    app = create_app(desk, Access(token))
    return TestClient(app, base_url=f"http://{host}", raise_server_exceptions=False, follow_redirects=False)


@contextmanager
def served(
    *places: Path | str, token: str = "", ratings: Path = Path("/nonexistent"), **settings
) -> Iterator[tuple[str, Desk]]:
    """The address of a dashboard that watches in its own threads, and its desk."""
    desk = new_desk(places, Settings(**({"refresh_seconds": 0.2} | settings)), ratings)
    config = uvicorn.Config(
        create_app(desk, Access(token)), host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the dashboard did not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", desk
    finally:
        server.should_exit = True
        thread.join(15)


def wait_until(condition, seconds: float = 30, why: str = "") -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why or "not in time"
        time.sleep(0.05)

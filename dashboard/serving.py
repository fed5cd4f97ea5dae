"""Serves the app until Ctrl-C or SIGTERM."""

import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import uvicorn
from PIL import Image

from dashboard.access import SHORTEST, TOKEN, Access, is_loopback, new_token
from dashboard.alarms.lookout import Lookout
from dashboard.application import create_app
from dashboard.catalogue import Catalogue, Place
from dashboard.desk import Desk
from dashboard.rows.keeper import Keeper
from dashboard.settings import Settings
from dashboard.watcher import Watcher
from dashboard.watching.background import Background
from dataset.errors import InputError

_NICE = 10
"""A job on the same machine goes first."""
_MOST_PIXELS = 25_000_000
"""Of a picture; one of twice as many is none that can be decoded."""
_REST = 4.0
"""Seconds for which a page is good, whatever changes."""


def new_desk(places: Sequence[Place], settings: Settings, ratings: Path) -> Desk:
    """A desk over datasets, trainings and folders that hold some; nothing is read yet."""
    catalogue = Catalogue(tuple(places))
    keeper, background = Keeper(catalogue), Background()
    lookout = Lookout(settings, keeper)
    besides = lambda: (keeper.versions, background.version, lookout.look(dict(catalogue.runs)))  # noqa: E731
    watcher = Watcher(catalogue, settings.refresh_seconds, besides)
    return Desk(settings, catalogue, watcher, keeper, background, lookout, ratings)


def serve(desk: Desk, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve pages; 0 is any free port.

    Raises:
        InputError: the address cannot be listened on, or the token that the environment names is too short.
    """
    token = _token(host)
    with _listening(host, port) as listener:
        address = _address(host, listener.getsockname()[1])
        say(f"Dashboard at {address}" + (f"/?token={quote(token, safe='')}" if token else ""))
        if token:
            say(
                "Whoever has this address can see everything; without TLS in front of it others on the way can read it."
            )
        os.nice(_NICE)
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # uvicorn ends in order, and then no slow work holds the process up
        Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
        desk.rest = _REST
        app = create_app(desk, Access(token))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        uvicorn.Server(config).run(sockets=[listener])


def _token(host: str) -> str:
    """The one that the environment names, or a new one where others can reach the address."""
    chosen = os.environ.get(TOKEN, "")
    if chosen and len(chosen) < SHORTEST:
        raise InputError(f"{TOKEN}: {len(chosen)} characters are too few for a token; take {SHORTEST} or more, or none")
    return chosen or ("" if is_loopback(host) else new_token())


def _listening(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise InputError(
            f"{host}:{port}: cannot be listened on ({error.strerror or error}); give another --host or --port"
        ) from error
    return listener


def _address(host: str, port: int) -> str:
    shown = socket.gethostname() if host in ("0.0.0.0", "::", "") else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"

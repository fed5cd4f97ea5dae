"""What Prefect knows of runs: flow runs whose dataset is watched, asked for every few seconds in a thread of its own.

Prefect's settings bring much of Prefect with them, so the few that matter are read here: from the environment, else
from the active profile, as Prefect does. Without a server, or when it does not answer, there is nothing to show.
"""

import base64
import logging
import os
import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from dashboard.access import is_loopback
from dashboard.catalogue import Catalogue
from dashboard.watching.places import public
from dashboard.watching.told import known_number, part, text

_log = logging.getLogger(__name__)
FLOWS = {"render-ih": 40, "render-ih-shards": 200}
"""Flows that work on a dataset, and how many of the newest runs of each are looked at."""
EVERY = 15.0
"""Seconds between two questions."""
_PATIENCE = 4.0
"""Seconds for the server to answer."""
_FORGET = 4
"""Questions without an answer after which nothing is shown any more."""
_SHOWN = 6
"""Flow runs of a dataset, those that go on first, then the newest."""

Kind = Literal["working", "none", "late", "bad", "good"]
_KINDS: dict[str, Kind] = {
    "RUNNING": "working",
    "SCHEDULED": "none",
    "PENDING": "none",
    "PAUSED": "late",
    "CANCELLING": "late",
    "CANCELLED": "late",
    "FAILED": "bad",
    "CRASHED": "bad",
    "COMPLETED": "good",
}
_OPEN = ("RUNNING", "PAUSED", "PENDING", "SCHEDULED", "CANCELLING")


@dataclass(frozen=True)
class FlowRun:
    """A flow run of a dataset."""

    id: str
    name: str
    flow: str
    kind: Kind
    state: str
    """Prefect's own word for it, such as Running or Suspended."""
    message: str
    """Why it is in that state; empty for those that go well."""
    url: str
    """Its page in Prefect's UI."""
    is_open: bool
    """Whether it is not over."""
    seconds: float | None = field(compare=False, default=None)
    """That it has run, when the server was asked."""


@dataclass(frozen=True)
class Server:
    """Where Prefect is asked, and where people look."""

    api: str = field(repr=False)
    ui: str
    authorization: str = field(default="", repr=False)
    """The header's content."""


def find_server(environment: Mapping[str, str] = os.environ) -> Server | None:
    """The server that Prefect's settings name; None without one."""
    settings = _profile(environment) | {name: value for name, value in environment.items() if value}
    api = str(settings.get("PREFECT_API_URL", "")).rstrip("/")
    if urlsplit(api).scheme not in ("http", "https") or not urlsplit(api).hostname:
        return None
    authorization = ""
    if own := settings.get("PREFECT_API_AUTH_STRING"):
        authorization = "Basic " + base64.b64encode(str(own).encode()).decode()
    elif key := settings.get("PREFECT_API_KEY"):
        authorization = f"Bearer {key}"
    return Server(api, _ui(api, str(settings.get("PREFECT_UI_URL", ""))), authorization)


def _profile(environment: Mapping[str, str]) -> dict[str, Any]:
    home = Path(environment.get("PREFECT_HOME") or "~/.prefect").expanduser()
    path = Path(environment.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    name = environment.get("PREFECT_PROFILE") or content.get("active")
    profiles = content.get("profiles")
    profile = profiles.get(name) if isinstance(profiles, dict) else None
    return dict(profile) if isinstance(profile, dict) else {}


def _ui(api: str, told: str) -> str:
    """Address of the pages, as Prefect infers it from the API's; without a user or a password."""
    if urlsplit(told).scheme in ("http", "https"):
        return public(told).rstrip("/")
    pages = public(api).replace("//api.prefect.cloud/", "//app.prefect.cloud/").removesuffix("/api")
    return pages.replace("/api/", "/").replace("/accounts/", "/account/").replace("/workspaces/", "/workspace/")


class FlowRuns:
    """Keeps the flow runs of all watched datasets."""

    def __init__(
        self, catalogue: Catalogue, environment: Mapping[str, str] = os.environ, transport: Any = None
    ) -> None:
        """Nothing is asked before `start` or `look`.

        Args:
            catalogue: what is watched.
            environment: names the server.
            transport: of httpx, in the place of a connection.
        """
        self._catalogue, self._environment, self._transport = catalogue, environment, transport
        self.found: Mapping[str, tuple[FlowRun, ...]] = {}
        """By name of the watched run; those that go on first, then the newest."""
        self._failures, self._over = 0, threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Ask from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._keep, name="prefect", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; an answer that is awaited holds nobody up."""
        self._over.set()

    def look(self) -> None:
        """Ask once."""
        server = find_server(self._environment)
        if server is None or not self._catalogue.runs:
            self.found = {}
            return
        try:
            self.found = self._matched(self._ask(server), server)
            self._failures = 0
        except Exception as error:  # whatever a server answers, or does not: pages go on without it
            _log.debug("Prefect: %s", type(error).__name__)
            self._failures += 1
            if self._failures >= _FORGET:
                self.found = {}

    def _keep(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(EVERY)

    def _ask(self, server: Server) -> list[tuple[str, Mapping[str, Any]]]:
        """Flow and flow run, the newest of each flow first."""
        import httpx

        headers = {"Authorization": server.authorization} if server.authorization else {}
        by_proxy = not is_loopback(urlsplit(server.api).hostname or "")
        with httpx.Client(headers=headers, timeout=_PATIENCE, trust_env=by_proxy, transport=self._transport) as client:
            found = []
            for flow, most in FLOWS.items():
                wanted = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_DESC", "limit": most}
                answer = client.post(f"{server.api}/flow_runs/filter", json=wanted)
                answer.raise_for_status()
                found += [(flow, run) for run in answer.json()]
        return found

    def _matched(self, runs: list[tuple[str, Mapping[str, Any]]], server: Server) -> dict[str, tuple[FlowRun, ...]]:
        places = {name: run.store.url for name, run in dict(self._catalogue.runs).items()}
        found: dict[str, list[FlowRun]] = {}
        for flow, told in runs:
            name = watched_at(text(part(told, "parameters"), "out"), places)
            if name:
                found.setdefault(name, []).append(_flow_run(flow, told, server))
        return {
            name: tuple(sorted(ones, key=lambda one: (not one.is_open, one.flow != "render-ih"))[:_SHOWN])
            for name, ones in found.items()
        }


def watched_at(out: str, places: Mapping[str, str]) -> str | None:
    """Name of the watched dataset that a flow run's parameter `out` means; None for none.

    A relative folder is looked for from here; the flow's process may have been elsewhere, so then the only watched folder
    counts whose path ends so.

    Args:
        out: the parameter.
        places: name to where a dataset lies.
    """
    if not out or "\0" in out:
        return None
    if "://" in out:
        wanted = public(out).rstrip("/")
        return next((name for name, place in places.items() if public(place).rstrip("/") == wanted), None)
    folders = {name: Path(place).resolve() for name, place in places.items() if "://" not in place}
    wanted = Path(out).resolve()
    here = next((name for name, folder in folders.items() if folder == wanted), None)
    if here or Path(out).is_absolute():
        return here
    end = tuple(piece for piece in Path(out).parts if piece != ".")
    ending = [name for name, folder in folders.items() if end and folder.parts[-len(end) :] == end]
    return ending[0] if len(ending) == 1 else None


def _flow_run(flow: str, told: Mapping[str, Any], server: Server) -> FlowRun:
    kind = text(told, "state_type").upper()
    name, id = text(told, "name"), text(told, "id")
    is_well = _KINDS.get(kind, "none") in ("working", "good", "none")
    return FlowRun(
        id=id,
        name=name or id,
        flow=flow,
        kind=_KINDS.get(kind, "none"),
        state=text(told, "state_name") or kind.capitalize(),
        message="" if is_well else _harmless(text(part(told, "state"), "message")),
        url=f"{server.ui}/runs/flow-run/{quote(id, safe='')}",
        is_open=kind in _OPEN,
        seconds=known_number(told, "estimated_run_time") or known_number(told, "total_run_time"),
    )


def _harmless(message: str) -> str:
    """In one line, and without users and passwords in addresses."""
    return re.sub(r"(://)[^/@\s]+@", r"\1", " ".join(message.split()))[:300]

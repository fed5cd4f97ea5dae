"""What every page needs: the runs, their rows, long computations, and how a page is written."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import HTTPException, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from dashboard import wording
from dashboard.alarms.lookout import Lookout
from dashboard.catalogue import Catalogue
from dashboard.rows.index import RowIndex
from dashboard.rows.keeper import Keeper
from dashboard.settings import Settings
from dashboard.training.watched import WatchedTraining
from dashboard.watcher import Watcher
from dashboard.watching.background import Background
from dashboard.watching.run import WatchedRun

_HERE = Path(__file__).parent
_KEPT_PAGES = 64
_FRESH = 10.0
"""Seconds for which a page's durations are near enough; then it is written anew, changed or not."""
TABS = (
    ("overview", "Overview", "/runs/{run}"),
    ("workers", "Workers", "/runs/{run}/workers"),
    ("gallery", "Gallery", "/runs/{run}/gallery"),
    ("quality", "Quality", "/runs/{run}/quality"),
    ("diversity", "Diversity", "/runs/{run}/diversity"),
)
"""Pages of a run: key, title, address."""
WIDE_TABS = (("training", "Training", "/training"), ("rating", "Rating", "/rating"))
"""Pages that belong to no run."""


def _environment() -> Environment:
    loader = FileSystemLoader(_HERE / "templates")
    environment = Environment(
        loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= wording.FILTERS
    return environment


@dataclass
class Desk:
    """Shared by all pages."""

    settings: Settings
    catalogue: Catalogue
    watcher: Watcher
    keeper: Keeper
    background: Background
    lookout: Lookout
    ratings: Path
    """Folder of studies and answers."""
    rest: float = 0.0
    """Seconds for which a page is not written anew though something has changed: a job on the same machine goes first."""
    templates: Environment = field(default_factory=_environment)
    _process: str = field(default_factory=lambda: secrets.token_hex(4))
    """Tells this process's versions from those of an earlier one."""
    _pages: OrderedDict[tuple[str, str], tuple[int, bytes, float]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def run(self, name: str) -> WatchedRun:
        """A run by the name in an address.

        Raises:
            HTTPException: there is none (404).
        """
        return _known(self.catalogue.runs, name, "run")

    def training(self, name: str) -> WatchedTraining:
        """A training job by the name in an address.

        Raises:
            HTTPException: there is none (404).
        """
        return _known(self.catalogue.trainings, name, "training")

    def index(self, run: WatchedRun) -> RowIndex:
        """The rows of a run."""
        return self.keeper.index(run.name)

    def _is_fresh(self, kept: tuple[int, bytes, float] | None) -> bool:
        """Whether a page need not be written anew."""
        if kept is None:
            return False
        age = time.monotonic() - kept[2]
        return age < self.rest or (kept[0] == self.watcher.version and age < _FRESH)

    def page(
        self,
        request: Request,
        template: str,
        tab: str,
        content: Callable[[], Mapping[str, Any]],
        run: WatchedRun | None = None,
    ) -> Response:
        """A page, written once for all browsers as long as nothing has changed.

        Args:
            request: what was asked for; its path and query decide everything that the page shows.
            template: file in `templates/`, which extends `page.html`.
            tab: key of the tab that is marked.
            content: gives the template's own values; not called when the page is there already.
            run: whose tabs are shown.
        """
        version, key = self.watcher.version, (request.url.path, request.url.query)
        if request.headers.get("if-none-match") == self._etag(version):
            return Response(status_code=304, headers=self._headers(version))
        with self._lock:
            kept = self._pages.get(key)
        if not self._is_fresh(kept):
            page = self.written(template, tab, run, **content())
            kept = (version, page, time.monotonic())
            with self._lock:
                self._pages[key] = kept
                self._pages.move_to_end(key)
                while len(self._pages) > _KEPT_PAGES:
                    self._pages.popitem(last=False)
        return Response(kept[1], headers=self._headers(kept[0]), media_type="text/html; charset=utf-8")

    def _headers(self, version: int) -> dict[str, str]:
        return {"ETag": self._etag(version), "Cache-Control": "no-cache"}

    def _etag(self, version: int) -> str:
        return f'"{self._process}-{version}"'

    def written(self, template: str, tab: str, run: WatchedRun | None = None, **content: Any) -> bytes:
        """A template's page."""
        run = run or next(iter(self.catalogue.runs.values()), None)
        tabs = [(key, title, address.format(run=run.name)) for key, title, address in TABS] if run else []
        common = {
            "tab": tab,
            "tabs": [*tabs, *WIDE_TABS],
            "run_pages": {key: address for key, _, address in TABS},
            "run": run.state if run else None,
            "index": self.keeper.index(run.name) if run else None,
            "runs": list(self.catalogue.runs),
            "alarms": self.lookout.alarms.get(run.name, ()) if run else (),
            "troubles": self.catalogue.troubles,
            "version": self.watcher.version,
        }
        return self.templates.get_template(template).render(common | content).encode(errors="replace")


def _known(things: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in things:
        known = ", ".join(things) or "none"
        raise HTTPException(404, f"There is no {what} called “{name[:80]}” here; there is: {known}.")
    return things[name]

"""What Prefect's UI shows of a run beside its states and lines: progress, workers, and at the end the dataset.

All by Prefect's public functions, and only inside a flow run. A server that does not answer holds nobody up.
"""

import base64
import hashlib
import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from PIL import Image
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from dataset.manifest import Manifest
from dataset.storage.store import Store
from tasks.observing.history import read_history
from tasks.observing.record import read_records
from tasks.progress import say

DASHBOARD = "RENDER_IH_DASHBOARD_URL"
PICTURE_BYTES = 200_000
"""Most bytes of a picture's data URI: it lies in the server's database."""
TABLE_EVERY = 300.0
"""Seconds between tables of workers: the server keeps each."""
_AT_ONCE = {PREFECT_API_REQUEST_TIMEOUT: 10.0, PREFECT_CLIENT_MAX_RETRIES: 0}
_REST = 300.0
"""Seconds without a word to a server that did not answer."""
_LONGEST = 120
"""Characters of an error in a table."""


class Server:
    """Whether the Prefect server answers; it is asked nothing for a while after it did not."""

    def __init__(self) -> None:
        self._rests_until, self._silent = float("-inf"), False

    @contextmanager
    def asked(self) -> Iterator[None]:
        """The block talks to the server; when that fails the rest of the block is left out."""
        try:
            with temporary_settings(_AT_ONCE):
                yield
            self._silent = False
        except (httpx.HTTPError, PrefectException) as error:
            self._rests_until = time.monotonic() + _REST
            if not self._silent:
                say(
                    f"Prefect's server takes no artifacts for now ({type(error).__name__}); the work goes on", "warning"
                )
            self._silent = True

    @property
    def is_there(self) -> bool:
        """Whether this is a flow run, and its server may be asked."""
        return FlowRunContext.get() is not None and time.monotonic() >= self._rests_until


SERVER = Server()


@dataclass
class Board:
    """Progress and workers of one stage."""

    store: Store
    stage: str
    total: int
    """Shards of the stage."""
    lease: float
    """Seconds after which a worker that does not change its record counts as silent."""
    _progress: UUID | None = None
    _table_shown: float = field(default_factory=time.monotonic)
    _beats: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Worker to the beat that it had last, and since when."""

    def show(self, done: int, last: bool = False) -> None:
        """Say how many shards are made; now and then, and the `last` time, who makes them."""
        if not SERVER.is_there:
            return
        workers = [self._row(record) for record in read_records(self.store)]
        with SERVER.asked():
            self._show_progress(done, sum(worker["state"] not in ("left", "silent") for worker in workers))
            if self.total > 1 and workers and (last or time.monotonic() - self._table_shown > TABLE_EVERY):
                told = f"Workers of stage {self.stage} of {self.store.url}"
                create_table_artifact(workers, key=_key("workers", self.stage, self.store.url), description=told)
                self._table_shown = time.monotonic()

    def _show_progress(self, done: int, at_work: int) -> None:
        percent, told = 100 * done / self.total, f"{self.stage}: {done} of {self.total} shards; workers: {at_work}"
        if self._progress is None:
            key = _key("progress", self.stage, self.store.url)
            self._progress = create_progress_artifact(percent, key=key, description=told)
        else:
            update_progress_artifact(self._progress, percent, description=told)

    def _row(self, record: dict[str, Any]) -> dict[str, Any]:
        rates = ", ".join(f"{rate:.3g} {unit}/s" for unit, rate in record["rates"].items())
        figures = {name: record[name] for name in ("shards", "rows", "refused")}
        error = {"last error": record["last_error"][:_LONGEST]}
        return (
            {"worker": record["worker"], "device": record["device"], **figures, "rate": rates}
            | self._state(record)
            | error
        )

    def _state(self, record: dict[str, Any]) -> dict[str, Any]:
        """What it is at; a record that stays the same, on this process's clock, is of a worker that is dead or cut off."""
        now, (beat, since) = time.monotonic(), self._beats.get(record["worker"], (-1, 0.0))
        if beat != record["beat"]:
            since = now
            self._beats[record["worker"]] = (record["beat"], now)
        if record["state"] != "working":
            return {"state": record["state"]}
        if now - since > self.lease:
            return {"state": "silent"}
        step = record["step"]
        how_far = f" ({step['done']} of {step['total']} {step['unit']})" if step else ""
        return {"state": f"{record['stage']} {record['shard']}{how_far}" if record["shard"] else "waiting"}


def show_dataset(manifest: Manifest) -> None:
    """A finished dataset: its figures, its contact sheet, and where the dashboard is; nothing outside a flow run."""
    if not SERVER.is_there:
        return
    place = manifest.store.url
    with SERVER.asked():
        create_markdown_artifact(_summary(manifest), key=_key("dataset", "", place), description=f"Dataset {place}")
        with suppress(OSError):  # a dataset without a contact sheet
            create_image_artifact(
                picture_uri(manifest.folder / "contact_sheet.png"),
                key=_key("contact-sheet", "", place),
                description=f"Contact sheet of {place}",
            )
        if link := os.environ.get(DASHBOARD):
            create_link_artifact(
                link, "Dashboard", key=_key("dashboard", "", place), description=f"Dashboard of {place}"
            )


def show_training(out: Path, card: str, pictures: Sequence[Path]) -> None:
    """A trained network: its card and pictures of what it makes; nothing outside a flow run."""
    if not SERVER.is_there:
        return
    place = str(out)
    with SERVER.asked():
        create_markdown_artifact(card, key=_key("model", "", place), description=f"Model card of {place}")
        for number, picture in enumerate(pictures):
            key = _key(f"samples-{number}", "", place)
            create_image_artifact(picture_uri(picture), key=key, description=f"Samples of {place}")


def picture_uri(path: Path) -> str:
    """A small JPEG of a picture as a data URI of at most `PICTURE_BYTES`.

    Raises:
        OSError: there is no such picture.
    """
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((1200, 1200))
    while True:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
        if len(uri) <= PICTURE_BYTES:
            return uri
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))


def _summary(manifest: Manifest) -> str:
    heads = {"images": "images", "poses": "poses", "rejected": "refused"}
    counts = ", ".join(f"{manifest.rows(table):,} {name}" for table, name in heads.items())
    stopped = f"\n\nStopped before its end: {manifest.stopped}." if manifest.stopped else ""
    lines = ["| stage | shards | rows | refused | workers | worker hours |", "|---|---:|---:|---:|---:|---:|"]
    history = read_history(manifest.store)
    for stage in dict.fromkeys(line["stage"] for line in history):
        lines.append(_stage_line(stage, [line for line in history if line["stage"] == stage]))
    return f"# Dataset\n\n`{manifest.store.url}`: {counts}.{stopped}\n\n" + "\n".join(lines) + "\n"


def _stage_line(stage: str, shards: list[dict[str, Any]]) -> str:
    rows, refused = (sum(line[name] for line in shards) for name in ("rows", "refused"))
    workers = len({line["worker"] for line in shards if "worker" in line})
    hours = sum(line.get("seconds", 0.0) for line in shards) / 3600
    return f"| {stage} | {len(shards)} | {rows:,} | {refused:,} | {workers} | {hours:.2f} |"


def _key(what: str, stage: str, place: str) -> str:
    """An artifact of the same key is a new version of the same thing."""
    digest = hashlib.sha256(place.encode()).hexdigest()[:8]
    return "-".join(part for part in (what, stage, digest) if part)

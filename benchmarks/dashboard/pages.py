"""How long each page takes: the first time, written anew as after a change, and as it is kept."""

import re
import statistics
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.dashboard.server import Server
from dashboard.access import Access
from dashboard.application import create_app
from dashboard.serving import new_desk
from dashboard.settings import Settings
from tests.dashboard.visitor import addresses

_OWN_FILTERS = (
    "order=random&seed=3",
    "find=000",
    "visible_from=50&visible_to=90",
    "deep_from=0.5",
    "contact=touching&vertices=100",
)


class Timed(NamedTuple):
    """One address; times in ms."""

    address: str
    status: int
    kilobytes: float
    first: float
    anew: list[float]
    """With what was computed before, and a query that nobody has asked for."""
    kept: list[float]
    """Asked again."""

    @property
    def row(self) -> str:
        """Of the table."""
        times = (self.first, statistics.median(self.anew), max(self.anew), statistics.median(self.kept))
        return f"| {self.address} | {self.status} | {self.kilobytes:.0f} | {' | '.join(f'{ms:.0f}' for ms in times)} |"


HEAD = "| page | status | kB | first, ms | anew, median | anew, worst | kept, median |\n|---|---:|---:|---:|---:|---:|---:|"


def timed(server: Server, run: str, repeats: int) -> list[Timed]:
    """All pages of one run and all that belong to none."""
    with server.client as client:
        return [_timed(client, address, repeats) for address in dict.fromkeys(_addresses(client, run))]


def _addresses(client: httpx.Client, run: str) -> Iterator[str]:
    gallery = client.get(f"/runs/{run}/gallery").text
    sample = re.search(rf'href="/runs/{re.escape(run)}/samples/([^"?/]+)', gallery)
    values = {"runs.name": run} | ({"runs.sample_id": sample.group(1)} if sample else {})
    desk = new_desk((), Settings(), Path("/nonexistent"))
    known = addresses(create_app(desk, Access()))
    desk.keeper.stop()
    yield from (one.filled(values) for one in known if "GET" in one.methods and set(one.parameters) <= values.keys())
    for name, options in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', gallery, re.DOTALL):
        offered = [unescape(value) for value in re.findall(r'<option[^>]*value="([^"]+)"', options)]
        yield from (str(httpx.URL(f"/runs/{run}/gallery", params={name: value})) for value in offered[-1:])
    yield from (f"/runs/{run}/gallery?{query}" for query in _OWN_FILTERS)


def _timed(client: httpx.Client, address: str, repeats: int) -> Timed:
    answer, first = _asked(client, address)
    joint = "&" if "?" in address else "?"
    anew = [_asked(client, f"{address}{joint}anew={number}")[1] for number in range(repeats)]
    kept = [_asked(client, address)[1] for _ in range(repeats)]
    return Timed(address, answer.status_code, len(answer.content) / 1000, first, anew, kept)


def _asked(client: httpx.Client, address: str) -> tuple[httpx.Response, float]:
    began = time.perf_counter()
    answer = client.get(address)
    return answer, 1000 * (time.perf_counter() - began)

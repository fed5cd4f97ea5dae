"""A job that keeps all cores busy while browsers watch a run that goes on: how much of its pace is left."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np

from benchmarks.dashboard.server import Server
from dataset.atomic import atomic_write
from dataset.manifest import FILE

PAGES = ("", "/workers", "/gallery", "/quality", "/diversity")
_POLL = 2.0
"""Seconds between a browser's questions, see `static/live.js`."""
_BEATS, _SHARDS = 2.0, 30.0
"""Seconds between changes of the run that is watched: a worker's beat, a shard."""
_UNIT = 20_000
"""Steps of the stand-in between two counts."""


class LivingRun:
    """A run at its images: the shards of a finished dataset, listed one after the other. The dataset itself is only read."""

    def __init__(self, dataset: Path, folder: Path) -> None:
        self.folder = folder
        self._content = json.loads((dataset / FILE).read_text())
        self._content["splits"] = {}
        images = self._content["tables"]["images"]
        self._left, images["shards"] = (
            images["shards"][len(images["shards"]) // 2 :],
            images["shards"][: len(images["shards"]) // 2],
        )
        self._beats = 0
        (folder / ".work/workers").mkdir(parents=True)
        for path in dataset.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                (folder / path.name).symlink_to(path.resolve())
        self._write()
        self.beat()

    def beat(self) -> None:
        """A worker gives a sign of life."""
        self._beats += 1
        record = {
            "worker": "one",
            "host": "here",
            "stage": "images",
            "shard": "x",
            "beat": self._beats,
            "beat_seconds": _BEATS,
        }
        record |= {
            "state": "working",
            "rates": {"images": 1.0},
            "step": {"done": self._beats % 100, "total": 100, "unit": "images"},
        }
        atomic_write(self.folder / ".work/workers/one.json", json.dumps(record).encode())

    def finish_shard(self) -> None:
        """A shard more."""
        if self._left:
            self._content["tables"]["images"]["shards"].append(self._left.pop(0))
            self._write()

    def _write(self) -> None:
        atomic_write(self.folder / FILE, json.dumps(self._content).encode())

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """In the block it changes as a run does."""
        over = Event()
        threads = [Thread(target=_every, args=(over, pause, change)) for pause, change in
                   ((_BEATS, self.beat), (_SHARDS, self.finish_shard))]  # fmt: skip
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _every(over: Event, pause: float, change: Callable[[], None]) -> None:
    while not over.wait(pause):
        change()


class Tally:
    """A sum that several processes add to."""

    def __init__(self) -> None:
        self._value = multiprocessing.Value("d", 0.0)

    def add(self, more: float) -> None:
        """So much more."""
        with self._value.get_lock():
            self._value.value += more

    @property
    def sum(self) -> float:
        """So far."""
        return self._value.value


def _work(counts: "multiprocessing.Array", place: int) -> None:
    while True:
        value = 0
        for number in range(_UNIT):
            value = (value * 31 + number) % 1_000_003
        counts[place] += 1


def _browse(
    address: str, run: str, number: int, over: "multiprocessing.Event", pages: "Tally", seconds: "Tally"
) -> None:
    """As `static/live.js` does: asks for the version, and for the page once more when that has changed."""
    os.nice(19)  # a browser is on another machine
    begun = time.process_time()
    page, seen, etag = f"/runs/{run}{PAGES[number % len(PAGES)]}", "", ""
    with httpx.Client(base_url=address, headers={"Accept": "text/html"}, timeout=60, trust_env=False) as client:
        time.sleep(_POLL * number / 10)
        while not over.is_set():
            version = client.get("/version").text
            if version != seen:
                answer = client.get(page, headers={"If-None-Match": etag} if etag else {})
                seen, etag = version, answer.headers.get("etag", "")
                pages.add(1)
            over.wait(_POLL)
    seconds.add(time.process_time() - begun)


@contextmanager
def browsers(server: Server, run: str, count: int, pages: Tally, seconds: Tally) -> Iterator[None]:
    """So many open pages; tallies how often a page was fetched, and what the browsers themselves took."""
    over = multiprocessing.Event()
    processes = [
        multiprocessing.Process(target=_browse, args=(server.address, run, number, over, pages, seconds), daemon=True)
        for number in range(count)
    ]
    for process in processes:
        process.start()
    time.sleep(4)  # until they have begun
    try:
        yield
    finally:
        over.set()
        for process in processes:
            process.join(30)


@contextmanager
def working() -> Iterator[Callable[[float], float]]:
    """The job, on every core that this process may use; gives its pace over so many seconds."""
    cores = len(os.sched_getaffinity(0))
    counts = multiprocessing.Array("L", cores, lock=False)
    processes = [multiprocessing.Process(target=_work, args=(counts, place), daemon=True) for place in range(cores)]
    for process in processes:
        process.start()

    def pace(seconds: float) -> float:
        before, began = sum(counts), time.perf_counter()
        time.sleep(seconds)
        return (sum(counts) - before) / (time.perf_counter() - began)

    try:
        yield pace
    finally:
        for process in processes:
            process.kill()


def measure(server: Server, living: LivingRun, run: str, rounds: int, seconds: float, count: int = 10) -> str:
    """Lines of the report: the job's pace beside a dashboard that nobody looks at and one with browsers, and without one."""
    paces: dict[str, list[float]] = {"stopped": [], "alone": [], "browsers": []}
    cores: dict[str, list[float]] = {"alone": [], "browsers": []}
    pages, spent, wall = Tally(), Tally(), 0.0
    ways = {
        "stopped": server.stopped,
        "alone": nullcontext,
        "browsers": lambda: browsers(server, run, count, pages, spent),
    }
    with living.going_on(), working() as pace:
        for number in range(rounds):
            for way in list(ways)[:: 1 if number % 2 else -1]:
                began = time.perf_counter()
                with ways[way]():
                    cpu = server.cpu_seconds
                    paces[way].append(pace(seconds))
                    if way in cores:
                        cores[way].append((server.cpu_seconds - cpu) / seconds)
                wall += time.perf_counter() - began if way == "browsers" else 0.0
    lines = ["| beside the job | its pace | interval | cores of the server |", "|---|---:|---:|---:|"]
    names = {"alone": "a dashboard that nobody looks at", "browsers": f"a dashboard with {count} browsers"}
    for way, name in names.items():
        low, ratio, high = _ratio(paces[way], paces["stopped"])
        lines.append(f"| {name} | {ratio:.3f} | {low:.3f} – {high:.3f} | {np.median(cores[way]):.3f} |")
    lines.append(
        f"\nOf the pace without a dashboard, {rounds} times {seconds:.0f} s each in turn; 95 % interval of medians' ratio."
    )
    lines.append(
        f"The browsers fetched a page {pages.sum:.0f} times in {wall:.0f} s. They ran on this machine at the lowest priority "
        f"and took {spent.sum / wall:.3f} cores of it themselves; the machine's load was {os.getloadavg()[0]:.1f}."
    )
    return "\n".join(lines)


def _ratio(values: list[float], of: list[float]) -> tuple[float, float, float]:
    """Lower end, ratio of medians, upper end: bootstrap over rounds."""
    random = np.random.default_rng(0)
    rounds = random.integers(len(values), size=(2000, len(values)))
    ratios = np.median(np.array(values)[rounds], axis=1) / np.median(np.array(of)[rounds], axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return low, float(np.median(values) / np.median(of)), high

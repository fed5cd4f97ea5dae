"""The real server in a process of its own, and what that takes."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

_PATIENCE = 300.0
"""Seconds for all rows to be read."""
_QUIET = 4
"""Looks in a row that find nothing left to read."""


@dataclass
class Server:
    """A dashboard that answers."""

    address: str
    process: psutil.Process

    @property
    def client(self) -> httpx.Client:
        """Asks for pages as browsers do."""
        return httpx.Client(base_url=self.address, headers={"Accept": "text/html"}, timeout=60, trust_env=False)

    @property
    def peak_mib(self) -> float:
        """Most memory that was resident at once, as the kernel has noted it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024

    @property
    def cpu_seconds(self) -> float:
        """That it has used so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def figures(self, name: str) -> dict[str, float]:
        """Run to value of one of the dashboard's own metrics; of several series of a run the sum."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(self.client.get("/metrics").text):
            for sample in family.samples if family.name == name else ():
                found[sample.labels["run"]] = found.get(sample.labels["run"], 0) + sample.value
        return found

    def wait_until_it_answers(self) -> None:
        """It says its address a moment before it listens there."""
        began = time.monotonic()
        with self.client as client:
            while True:
                try:
                    client.get("/healthz").raise_for_status()
                    return
                except httpx.TransportError:
                    if time.monotonic() - began > _PATIENCE or not self.process.is_running():
                        raise
                    time.sleep(0.1)

    def wait_for_rows(self) -> float:
        """Seconds until all rows of all runs are read."""
        began, quiet = time.monotonic(), 0
        while quiet < _QUIET:
            known, waiting = self.figures("render_ih_run_rows"), self.figures("render_ih_run_index_waiting_shards")
            quiet = quiet + 1 if any(known.values()) and not any(waiting.values()) else 0
            ended = ended if quiet > 1 else time.monotonic()
            if ended - began > _PATIENCE:
                raise TimeoutError(f"rows are still being read after {_PATIENCE:.0f} s")
            time.sleep(0.5)
        return ended - began

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """In the block it does nothing at all."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def serving(places: Sequence[Path], ratings: Path) -> Iterator[Server]:
    """`render-ih dashboard` over some places, on a free port."""
    command = Path(sys.executable).with_name("render-ih")
    words = [str(command), "dashboard", *map(str, places), "--port", "0", "--ratings", str(ratings)]
    process = psutil.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            if found := re.search(r"Dashboard at (http://\S+)", line):
                break
        else:
            raise RuntimeError("the dashboard did not start")
        server = Server(found.group(1), psutil.Process(process.pid))
        server.wait_until_it_answers()
        yield server
    finally:
        process.terminate()
        process.communicate(timeout=30)

"""One of Prefect's process workers, for one device: a single run at a time."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dataset.errors import InputError
from flows.operation.node_devices import device_environment
from flows.operation.processes import start

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
}
"""Settings of a worker that are not set already: no usage data; look for runs often (a look is one small request); the page
that says whether it is healthy is for this node."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
"""Seconds before a worker that died is started again: doubled each time it dies young, up to the second figure."""


@dataclass
class DeviceWorker:
    """A worker that is started again when it dies."""

    api: str
    pool: str
    device: str
    name: str
    health_port: int | None = None
    popen: subprocess.Popen | None = None
    started: float = 0.0
    pause: float = 0.0
    """Seconds between its death and its next start."""
    due: float = 0.0
    """When it may start, by the monotonic clock."""

    def start(self) -> None:
        """Start it."""
        self.popen, self.started = start(self.command(), self.environment()), time.monotonic()

    def command(self) -> list[str]:
        """Prefect's own command."""
        prefect = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start"]
        own = ["--pool", self.pool, "--name", self.name, "--type", "process", "--limit", "1"]
        health = ["--with-healthcheck"] if self.health_port else []
        return [*prefect, *own, "--no-create-pool-if-not-found", *health]

    def environment(self) -> dict[str, str]:
        """This process's own, with one device."""
        port = {"PREFECT_WORKER_WEBSERVER_PORT": str(self.health_port)} if self.health_port else {}
        return DEFAULTS | dict(os.environ) | {"PREFECT_API_URL": self.api} | device_environment(self.device) | port

    def death(self) -> int | None:
        """The status it ended with, told once; None while it runs and after it was told."""
        status = self.popen.poll() if self.popen else None
        if status is not None:
            died_young = self.pause and time.monotonic() - self.started < _LONGEST_PAUSE_S
            self.pause = min(2 * self.pause, _LONGEST_PAUSE_S) if died_young else _FIRST_PAUSE_S
            self.popen, self.due = None, time.monotonic() + self.pause
        return status

    def is_due(self) -> bool:
        """Whether it is gone and may be started."""
        return self.popen is None and time.monotonic() >= self.due

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        if self.popen:
            self.popen.send_signal(number)  # sends none to a process that has ended


@contextmanager
def only_on_this_node(worker: DeviceWorker) -> Iterator[None]:
    """Keep a second worker of the same name, pool and server off this node while the block runs.

    Raises:
        InputError: there is one.
    """
    digest = hashlib.sha256("\n".join((worker.api, worker.pool, worker.name)).encode()).hexdigest()
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0render-ih worker {digest}")  # an abstract name: no file, and free when the process is gone
        except OSError as error:
            where = f"a worker {worker.name} of pool {worker.pool} runs on this node"
            raise InputError(f"{where}; end it, or give this one another --name") from error
        yield

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
from dataclasses import dataclass, field

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
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
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
    wait: float = _FIRST_WAIT_S
    started: float = field(default=-_LONGEST_WAIT_S)

    def start(self) -> None:
        """Start it."""
        self.popen, self.started = start(self.command(), self.environment()), time.monotonic()

    def command(self) -> list[str]:
        """Prefect's own command."""
        health = ["--with-healthcheck"] if self.health_port else []
        own = ["--type", "process", "--limit", "1", "--pool", self.pool, "--name", self.name]
        return [
            sys.executable,
            "-m",
            "prefect",
            "--no-prompt",
            "worker",
            "start",
            *own,
            "--no-create-pool-if-not-found",
            *health,
        ]

    def environment(self) -> dict[str, str]:
        """This process's own, with one device."""
        port = {"PREFECT_WORKER_WEBSERVER_PORT": str(self.health_port)} if self.health_port else {}
        return DEFAULTS | dict(os.environ) | {"PREFECT_API_URL": self.api} | device_environment(self.device) | port

    def death(self) -> int | None:
        """The status it ended with, told once; None while it runs and after it was told."""
        status = self.popen.poll() if self.popen else None
        if status is not None:
            died_young = time.monotonic() - self.started < _LONGEST_WAIT_S
            self.popen, self.wait = None, min(2 * self.wait, _LONGEST_WAIT_S) if died_young else _FIRST_WAIT_S
        return status

    def is_due(self) -> bool:
        """Whether it is gone and may be started."""
        return self.popen is None and time.monotonic() >= self.started + self.wait

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

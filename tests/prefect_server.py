"""A real Prefect server of its own for tests: on loopback, on a free port, with its own home folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

_START_S = 180
"""Patience: a server is up after 10 to 20 s on an idle machine, and tests share machines."""


@dataclass(frozen=True)
class PrefectServer:
    """A server that runs."""

    api: str
    """Its URL, as PREFECT_API_URL wants it."""
    environment: dict[str, str]
    """For processes that are to use it: nothing of the developer's own Prefect is in it."""
    log: Path
    pid: int


@contextmanager
def prefect_server(home: Path, **settings: str) -> Iterator[PrefectServer]:
    """Start a server in `home`, end it and everything it started afterwards.

    Args:
        home: PREFECT_HOME of server and clients; made when it is not there. The same folder again is the same database.
        settings: Prefect's settings by the name of their environment variable; they reach server and clients.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = _clean_environment(home) | {"PREFECT_API_URL": api} | settings
    log = home / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start"],
            env=environment | {"PREFECT_SERVER_API_HOST": "127.0.0.1", "PREFECT_SERVER_API_PORT": str(port)},
            cwd=home,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, api, log)
        yield PrefectServer(api, environment, log, process.pid)
    finally:
        _end(process)


def _clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLI_COLORS": "false",
        "DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_answers(process: subprocess.Popen, api: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{api}/health", timeout=5).is_success:
                return
        time.sleep(0.25)
    raise RuntimeError(f"the Prefect server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen) -> None:
    """Ask the whole process group to stop, then insist."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return

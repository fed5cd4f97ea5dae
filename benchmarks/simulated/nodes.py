"""The processes of a simulated fleet: Prefect's server, a worker that leads, and nodes; the project's own commands."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient

from benchmarks.simulated.flows import simulated_run, simulated_shards
from flows.operation.definition import project_file, read_prefect_file
from flows.operation.pools import register_pool

POOLS = ("control", "cpu")
"""Of prefect.yaml: where the leader runs, and where the nodes work."""
HELPERS = "simulated-shards/fleet"
LEADER = "simulated-run/fleet"
ROOT = Path(__file__).parents[2]
_PATIENCE = 240.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home: Path, **more: str) -> dict[str, str]:
    """Of a process that knows nothing of the user's own Prefect."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "RENDER_IH"))}
    own = {"PREFECT_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    return kept | own | more


@contextmanager
def started(words: list[str], log: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A command of render-ih with its output in a file; it and all that it started are gone afterwards."""
    line = [sys.executable, "-c", "from flows.cli import main; main()", *words]
    with log.open("ab") as output:
        process = subprocess.Popen(line, stdout=output, stderr=output, cwd=ROOT, env=variables, start_new_session=True)
    try:
        yield process
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, sign)
                process.wait(20)


@contextmanager
def server(home: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """`render-ih server` that writes a line for each request to `server.log`; its API's address."""
    home.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), home / "server.log"
    api = f"http://127.0.0.1:{port}/api"
    variables = environment(home, PREFECT_SERVER_LOGGING_LEVEL="INFO", PREFECT_CLI_COLORS="false")
    with started(["server", "--port", str(port)], log, variables) as process:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(api):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield api, process


def _answers(api: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{api}/health", timeout=5).is_success
    return False


@contextmanager
def workers(
    api: str, pool: str, names: list[str], folder: Path, variables: dict[str, str]
) -> Iterator[list[subprocess.Popen]]:
    """`render-ih worker` on each node; a node has a home folder and a cache of its own."""
    with ExitStack() as stack:
        processes = []
        for name in names:
            home = folder / "nodes" / name
            home.mkdir(parents=True, exist_ok=True)
            own = environment(home, PREFECT_API_URL=api, XDG_CACHE_HOME=str(home / "cache")) | variables
            words = ["worker", "--pool", pool, "--device", "cpu", "--name", name]
            processes.append(stack.enter_context(started(words, home / "log", own)))
        yield processes


def register(client: SyncPrefectClient) -> UUID:
    """The project's own pools, with deployments of the simulated flows; the leader's id."""
    pools = read_prefect_file(project_file()).definitions.pools
    for name in POOLS:
        list(register_pool(client, name, pools[name]))
    ids = []
    for one, pool in ((simulated_run, POOLS[0]), (simulated_shards, POOLS[1])):
        ids.append(
            client.create_deployment(
                client.create_flow_from_name(one.name),
                "fleet",
                work_pool_name=pool,
                entrypoint=f"benchmarks.simulated.flows.{one.fn.__name__}",
                pull_steps=[{"flows.operation.home.enter_home": {}}],
            )
        )
    return ids[0]


def wait_for_workers(client: SyncPrefectClient, pool: str, count: int) -> None:
    """Until so many workers of a pool have said that they are there."""
    deadline = time.monotonic() + _PATIENCE
    while sum(worker.status.value == "ONLINE" for worker in client.read_workers_for_work_pool(pool)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count} workers of pool {pool} did not come within {_PATIENCE:g} s")
        time.sleep(0.5)

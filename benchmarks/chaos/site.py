"""Everything that a run on several nodes consists of, on this machine: storage, Prefect's server, nodes; each can be killed."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun

from benchmarks.chaos.gate import Gate, open_gate
from benchmarks.chaos.node import Node, can_be_apart
from benchmarks.chaos.processes import kill_tree
from benchmarks.chaos.recipe import impatient
from dataset.errors import InputError
from flows.operation.connection import connect
from tests.operation_servers import free_port
from tests.s3_server import environment as s3_environment
from tests.s3_server import s3_server

CODE = Path(__file__).parents[2]
_NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "out", "docs", "tests")
_NODES = {"control": "control", "node-1": "cpu", "node-2": "cpu", "node-3": "cpu"}
"""Names with their pools."""
_START_S = 180


def frozen_code(folder: Path) -> Path:
    """A copy of the program, made once: workers refuse to help a run of another version, and a checkout changes."""
    if not folder.exists():
        shutil.copytree(CODE, folder, ignore=_NOT_COPIED)
    return folder


def environment(folder: Path, code: Path, **more: str) -> dict[str, str]:
    """Of every process: the frozen program, nothing of the developer's own Prefect, kernels compiled once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "RENDER_IH", "AWS"))}
    own = {"PYTHONPATH": str(code), "WARP_CACHE_PATH": str(folder / "warp"), "PREFECT_HOME": str(folder / "prefect")}
    return kept | own | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200"} | more


def render_ih(*words: str) -> list[str]:
    """The command line of a `render-ih` command."""
    return [sys.executable, "-c", "from flows.cli import main; main()", *words]


@dataclass
class Site:
    """What runs."""

    folder: Path
    code: Path
    out: str
    """Where the dataset is made: a folder, or s3://bucket/prefix."""
    gate: Gate | None
    """The way to the bucket; none for a folder."""
    storage: dict[str, str]
    """Variables that tell clients of the bucket, past the gate."""
    nodes: dict[str, Node] = field(default_factory=dict)
    _port: int = field(default_factory=free_port)
    _server: subprocess.Popen | None = None

    @property
    def api(self) -> str:
        """Prefect's URL."""
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def helpers(self) -> list[Node]:
        """The nodes that make shards."""
        return [node for node in self.nodes.values() if node.pool != "control"]

    @property
    def workers(self) -> int:
        """Nodes that are on."""
        return sum(node.is_on for node in self.nodes.values())

    def start_server(self) -> None:
        """Start Prefect's server on the database that is there."""
        with (self.folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                render_ih("server", "--port", str(self._port)),
                cwd=self.code,
                env=environment(self.folder, self.code),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_server(self) -> None:
        """Without warning."""
        if self._server is not None:
            kill_tree(self._server.pid)
            self._server.wait()

    def wait_for_server(self) -> None:
        """Until it answers.

        Raises:
            RuntimeError: it does not.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.api}/health", timeout=5).is_success:
                    return
            time.sleep(0.5)
        raise RuntimeError(f"Prefect's server did not start; see {self.folder / 'server.log'}")

    def deploy(self) -> None:
        """Register pools, deployments and automations."""
        file = self.folder / "prefect.yaml"
        file.write_text(impatient(self.code / "prefect.yaml"))
        words = render_ih("deploy", "--api", self.api, "--file", str(file))
        subprocess.run(words, cwd=self.code, env=environment(self.folder, self.code), check=True)

    def start_run(self, config: dict[str, Any]) -> UUID:
        """Ask for the dataset."""
        with connect(self.api) as client:
            deployment = client.read_deployment_by_name("render-ih/render-ih")
            parameters = {"config": config, "out": self.out}
            return client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id

    def look_at(self, run: UUID) -> FlowRun | None:
        """How it stands; None while the server does not answer."""
        try:
            with connect(self.api) as client:
                return client.read_flow_run(run)
        except InputError:
            return None


@contextmanager
def open_site(folder: Path, bucket: bool) -> Iterator[Site]:
    """A site with its server up, everything registered and all nodes on; nothing of it is left after the block."""
    code = frozen_code(folder / "code")
    with ExitStack() as stack:
        site = Site(folder, code, str(folder / "disturbed"), None, {})
        if bucket:
            s3 = stack.enter_context(s3_server())
            there = urlsplit(s3.endpoint)
            site.gate = stack.enter_context(open_gate(there.hostname, there.port))
            site.out, site.storage = f"{s3.new_bucket()}/disturbed", s3.environment
        stack.callback(site.kill_server)
        site.start_server()
        site.wait_for_server()
        site.deploy()
        through = s3_environment(f"http://127.0.0.1:{site.gate.own_port}") if site.gate else {}
        variables = environment(folder, code, PREFECT_API_URL=site.api, **through)
        for name, pool in _NODES.items():
            node = Node(name, pool, folder / "nodes" / name, code, variables, can_be_apart())
            stack.callback(node.remove)
            site.nodes[name] = node
            node.start()
        yield site

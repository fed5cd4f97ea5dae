"""Real servers for tests of the commands `server` and `worker`: the commands themselves, and PostgreSQL; all on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
_PATIENCE_S = 180


def command(*words: str) -> list[str]:
    """The command line of `render-ih server` and `render-ih worker` with these words."""
    code = "from flows.cli import main; main()"
    return [sys.executable, "-c", code, *words]


def environment(home: Path, **more: str) -> dict[str, str]:
    """A process's environment with nothing of the developer's own Prefect."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return kept | {"PREFECT_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200"} | more


@contextmanager
def started(words: list[str], log: Path, **how: object) -> Iterator[subprocess.Popen]:
    """A process in a group of its own, with its output in a file; the group is gone afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **how)
    try:
        yield process
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, sign)
                process.wait(20)


@contextmanager
def render_ih_server(home: Path, *words: str, **more: str) -> Iterator[str]:
    """`render-ih server` until it answers; gives the API's URL."""
    home.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), home / "server.log"
    api = f"http://127.0.0.1:{port}/api"
    line = command("server", "--port", str(port), *words)
    with started(line, log, cwd=ROOT, env=environment(home, **more)) as process:
        wait_until(lambda: process.poll() is not None or _answers(f"{api}/health"), log)
        assert process.poll() is None, log.read_text()
        yield api


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(happened: Callable[[], bool], log: Path) -> None:
    """Look again and again; fail with the log's end when it does not happen."""
    deadline = time.monotonic() + _PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain:\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.1)


def postgresql_programs() -> Path | None:
    """Folder of PostgreSQL's server programs; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    programs = found[-1] if found else Path(on_path) if on_path else None
    return programs.resolve().parent if programs else None


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """A PostgreSQL server with the database `prefect` of the user `prefect`, password `secret`; gives its URL.

    It refuses to run as root, so root starts it as the user `nobody`, who cannot enter pytest's folders.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="render-ih-postgresql-") as name:
        folder = Path(name)
        password = folder / "password"
        password.write_text("secret")
        as_user = []
        if os.geteuid() == 0:
            as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            for path in (folder, password):
                shutil.chown(path, "nobody", "nogroup")
        make = ["-D", folder / "data", "-U", "prefect", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"]
        subprocess.run([*as_user, programs / "initdb", *make], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        serve = ["-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"]
        log = folder / "log"
        with started([*as_user, programs / "postgres", *serve], log, cwd=folder):
            client = ["-h", "127.0.0.1", "-p", str(port), "-U", "prefect"]
            ready = [programs / "pg_isready", *client]
            wait_until(lambda: subprocess.run(ready, stdout=subprocess.DEVNULL, check=False).returncode == 0, log)
            login = os.environ | {"PGPASSWORD": "secret"}
            subprocess.run([programs / "createdb", *client, "prefect"], check=True, env=login)
            yield f"postgresql+asyncpg://prefect:secret@127.0.0.1:{port}/prefect"


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=5).is_success
    return False

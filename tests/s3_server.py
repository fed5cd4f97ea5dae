"""A real S3-compatible server of its own for tests: moto, in a process on loopback, on a free port."""

import io
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_SIGN = "Running on "


@dataclass(frozen=True)
class S3Server:
    """A server that runs."""

    endpoint: str
    environment: dict[str, str]
    """What tells clients of it: endpoint, region, keys."""
    pid: int

    def new_bucket(self) -> str:
        """The URL of an empty bucket that nobody else uses."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        httpx.put(f"{self.endpoint}/{name}", verify=False).raise_for_status()
        return f"s3://{name}"


@contextmanager
def s3_server(certificate: Path | None = None, key: Path | None = None, **settings: str) -> Iterator[S3Server]:
    """Start a server, end it afterwards with all that it holds.

    Args:
        certificate, key: PEM files for https; plain http without.
        settings: environment variables of moto.
    """
    files = [str(path) for path in (certificate, key) if path]
    process = subprocess.Popen(
        [sys.executable, __file__, *files],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        endpoint = _address(process)
        threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop the server
        yield S3Server(endpoint, environment(endpoint), process.pid)
    finally:
        process.kill()
        process.wait()


def environment(endpoint: str) -> dict[str, str]:
    """Variables with which clients find a server at an address and sign with keys that are nobody's."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test-key-id",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
    }


def _address(process: subprocess.Popen) -> str:
    said = []
    for line in process.stdout:
        said.append(line)
        if _SIGN in line:
            return line.partition(_SIGN)[2].strip()
    raise RuntimeError("the server did not start:\n" + "".join(said))


def _serve(certificate: str | None = None, key: str | None = None) -> None:
    """Moto looks whether a file is there and writes it in two steps, so requests are taken one at a time."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import run_simple

    app, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def in_turn(environ: dict, start_response: object) -> list[bytes]:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with turn:
            return list(app(environ | {"wsgi.input": io.BytesIO(content)}, start_response))

    ssl = (certificate, key) if certificate else None
    run_simple("127.0.0.1", 0, in_turn, threaded=True, ssl_context=ssl, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    _serve(*sys.argv[1:])

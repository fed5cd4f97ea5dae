"""A Prefect server that is too busy for a moment is asked again; one that is not there is not waited for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prefect
import pytest

from flows.operation.connection import connect


@pytest.fixture
def server() -> Iterator[tuple[str, list[int]]]:
    """The API of something that answers with its version, and the statuses that it answers with first."""
    first: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(first.pop() if first else 200)
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(json.dumps(prefect.__version__).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/api", first
        running.shutdown()


def test_a_server_that_is_busy_for_a_moment_is_asked_again(server):
    api, first = server
    with connect(api) as client:
        first += [503, 503]
        assert client.api_version() == prefect.__version__
        assert not first

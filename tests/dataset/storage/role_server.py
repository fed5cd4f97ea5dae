"""The metadata address of a cloud machine, which hands out a role's keys for a short time."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RoleServer(ThreadingHTTPServer):
    """Counts how often it is asked; `failing` is how many of the next questions it cannot answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.asked = self.failing = 0


class _Handler(BaseHTTPRequestHandler):
    server: RoleServer

    def _answer(self) -> None:
        self.server.asked += 1
        status, content = 200, self._content()
        if self.server.failing:
            self.server.failing -= 1
            status, content = 500, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = _answer

    def _content(self) -> bytes:
        if self.path.endswith("/token"):
            return b"session"
        if self.path.endswith("/security-credentials/"):
            return b"worker-role"
        soon = datetime.now(UTC) + timedelta(seconds=2)
        keys = {"AccessKeyId": "role-key", "SecretAccessKey": "role-secret", "Token": "role-token"}
        return json.dumps(keys | {"Expiration": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def role_server() -> Iterator[RoleServer]:
    """A server on a free port of loopback."""
    server = RoleServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

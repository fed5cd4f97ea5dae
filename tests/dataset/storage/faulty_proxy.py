"""A proxy before a server that does to chosen requests what networks do: loses them, loses answers, cuts, repeats, refuses."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = str | tuple[int, str]
"""`lost`: the request does not reach the server. `silent`: its answer does not come back. `cut`: half of the answer does.
`twice`: a proxy repeats it. A pair of status and S3 error code: that answer instead."""


class FaultyProxy(ThreadingHTTPServer):
    """Where requests pass; `faults` says what happens to the next ones of each method, `always` to all of them."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.faults: dict[str, list[Fault]] = {}
        self.always: Fault | None = None
        self.before: dict[str, Callable[[], None]] = {}
        """What to do once, before the next request of a method is passed on."""
        self.requests: list[tuple[str, str]] = []

    def next_fault(self, method: str) -> Fault | None:
        """What shall happen to a request."""
        faults = self.faults.get(method)
        return faults.pop(0) if faults else self.always

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections break here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def _pass(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # called off
            return self._break()
        self.server.requests.append((self.command, self.path))
        fault = self.server.next_fault(self.command)
        if isinstance(fault, tuple):
            return self._answer(fault[0], {}, _error(fault[1]))
        if fault == "lost":
            return self._break()
        self.server.before.pop(self.command, lambda: None)()
        status, headers, content = self._forward(body)
        if fault == "twice":
            status, headers, content = self._forward(body)
        if fault == "silent":
            return self._break()
        if fault == "cut":
            self._answer(status, headers, content, cut=True)
            return self._break()
        self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content, headers = answer.read(), dict(answer.getheaders())
        connection.close()
        return answer.status, headers, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length", str(len(content)))
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)

    def _break(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


def _error(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>AKIA-LEAK said no</Message></Error>'.encode()


@contextmanager
def faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """A proxy on a free port of loopback."""
    proxy = FaultyProxy(upstream)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()

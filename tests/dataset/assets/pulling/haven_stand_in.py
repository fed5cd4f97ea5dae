"""A stand-in for Poly Haven's API on the loopback, with the faults of real networks on order."""

import hashlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dataset.assets.environments import Environment
from dataset.assets.pulling.haven import Patience

BRISK = Patience(attempts=3, first_wait=0.01, longest_wait=0.05, timeout=2.0)
SLOW = 0.3
"""Seconds that a slow answer takes."""


def picture(name: str, size: int = 60_000) -> bytes:
    """Bytes that begin as a Radiance file does and are different for every name."""
    block = hashlib.sha256(name.encode()).digest()
    return (b"#?RADIANCE\n" + block * (size // len(block) + 1))[:size]


def entry(name: str, **changes: object) -> Environment:
    """An entry of a manifest whose map is to be pulled."""
    fields = dict(
        id=name,
        kind="indoor",
        split="train",
        licence="CC0-1.0",
        origin="polyhaven",
        author="Somebody",
        resolution="2k",
        file=f"{name}_2k.hdr",
        bytes=60_000,
        md5="",
        sha256="",
        source=f"https://polyhaven.com/a/{name}",
    )
    return Environment(**(fields | changes))


@dataclass
class StandIn:
    """The server's content, what it was told to do wrong, and what it was asked."""

    maps: dict[str, bytes] = field(default_factory=dict)
    """Name to the content of its 2k hdr."""
    faults: dict[str, list[Callable]] = field(default_factory=lambda: defaultdict(list))
    """Path to faults; each request to the path uses up one. The last one stays if the path is in `stubborn`."""
    stubborn: set[str] = field(default_factory=set)
    announced: dict[str, dict] = field(default_factory=dict)
    """Name to what is announced instead of the truth."""
    ranges: bool = True
    pause: float = 0.0
    """Seconds that every answer takes."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    base: str = ""
    most_at_once: int = 0
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def file(self, name: str) -> str:
        """Path of a map's file."""
        return f"/dl/{name}_2k.hdr"

    def paths(self) -> list[str]:
        """Every path asked for, in order."""
        return [path for path, _ in self.asked]

    def ranges_asked(self, name: str) -> list[str | None]:
        """The Range header of every request for a map's file."""
        return [headers.get("range") for path, headers in self.asked if path == self.file(name)]

    def tree(self, name: str) -> dict:
        """What the API says about a map."""
        content = self.maps[name]
        truth = {"url": self.base + self.file(name), "size": len(content), "md5": hashlib.md5(content).hexdigest()}
        return {"hdri": {"2k": {"hdr": truth | self.announced.get(name, {})}}, "tonemapped": {"url": "x"}}

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        with self._lock:
            self.asked.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
            faults = self.faults[handler.path]
            fault = (faults[0] if handler.path in self.stubborn else faults.pop(0)) if faults else None
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
        try:
            time.sleep(self.pause)
            (fault or honest)(self, handler)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self._lock:
                self._busy -= 1


def honest(server: StandIn, handler: BaseHTTPRequestHandler) -> None:
    """The right answer."""
    name = handler.path.rsplit("/", 1)[1].removesuffix("_2k.hdr")
    if name not in server.maps:
        reply(handler, 404, b"No asset")
    elif handler.path.startswith("/files/"):
        reply(handler, 200, json.dumps(server.tree(name)).encode())
    else:
        content, asked = server.maps[name], handler.headers.get("Range")
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            reply(handler, 206, content[start:], **{"Content-Range": span})
        else:
            reply(handler, 200, content)


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Send a whole answer."""
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def cut(server: StandIn, handler: BaseHTTPRequestHandler) -> None:
    """Announce the whole file, send a third of it, hang up."""
    content = server.maps[handler.path.rsplit("/", 1)[1].removesuffix("_2k.hdr")]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 3])
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(2)


def slow(server: StandIn, handler: BaseHTTPRequestHandler) -> None:
    """The right answer, late."""
    time.sleep(SLOW)
    honest(server, handler)


def half_a_sentence(server: StandIn, handler: BaseHTTPRequestHandler) -> None:
    """JSON that ends in the middle, though the answer itself is complete."""
    whole = json.dumps(server.tree(handler.path.rsplit("/", 1)[1])).encode()
    reply(handler, 200, whole[: len(whole) // 2])


def says(status: int, **headers: str) -> Callable:
    """An answer that is only a status."""
    return lambda server, handler: reply(handler, status, b"no", **headers)


@contextmanager
def stand_in(*names: str) -> Iterator[StandIn]:
    """A server with these maps, on a free port of the loopback."""
    server = StandIn({name: picture(name) for name in names})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *words: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.handle_error = lambda *_: None  # a client that hangs up is part of the tests
    server.base = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()

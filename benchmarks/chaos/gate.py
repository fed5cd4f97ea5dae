"""The way to a server, which can be closed: clients are refused, or hang as behind a broken network."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_CHUNK = 1 << 16


class Gate:
    """A TCP proxy on a free port of loopback; it runs in a thread of its own. Use `open_gate`."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.own_port = 0
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.StreamWriter] = set()

    def refuse(self) -> None:
        """Nobody listens any more, and who was connected is cut off."""
        self._do(self._close())

    def hang(self) -> None:
        """What is sent arrives nowhere for now, in either direction; new connections are taken and not served."""
        self._do(self._hold())

    def pass_again(self) -> None:
        """Serve; what hung goes on its way, late."""
        self._do(self._serve())

    async def _serve(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.own_port)
            self.own_port = self._server.sockets[0].getsockname()[1]
        self._passing.set()

    async def _hold(self) -> None:
        self._passing.clear()

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for way in self._ways:
            way.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ways.add(writer)
        try:
            await self._passing.wait()
            there_reader, there = await asyncio.open_connection(self.host, self.port)
            self._ways.add(there)
            try:
                await asyncio.gather(self._carry(reader, there), self._carry(there_reader, writer))
            finally:
                self._ways.discard(there)
                there.close()
        except OSError:
            return
        finally:
            self._ways.discard(writer)
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while content := await source.read(_CHUNK):
                await self._passing.wait()
                target.write(content)
                await target.drain()
        finally:
            with suppress(OSError, RuntimeError):
                target.write_eof()

    def _do(self, act: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


@contextmanager
def open_gate(host: str, port: int) -> Iterator[Gate]:
    """A gate before a server, passing; gone after the block."""
    gate = Gate(host, port)
    thread = threading.Thread(target=gate._run, daemon=True)
    thread.start()
    gate.pass_again()
    try:
        yield gate
    finally:
        gate.refuse()
        gate._loop.call_soon_threadsafe(gate._loop.stop)
        thread.join(10)

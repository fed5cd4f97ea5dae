"""Work that can be stopped from outside: by SIGTERM, by the run's own word, or because a shard was taken by another."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE = 5.5
"""Seconds after SIGTERM in which the process ends by itself; then it is ended. `render-ih worker` waits seven."""


class Stopped(BaseException):
    """The work was told to stop; like KeyboardInterrupt no `except Exception` catches it."""


class Interruption:
    """Lets other threads raise an error in the thread that works."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.last_act: Callable[[], object] | None = None
        """What is done before a process is ended that does not end by itself."""
        self._armed = False
        self._end: threading.Timer | None = None

    def __call__(self, error: BaseException) -> None:
        """Raise `error` where the work is, as soon as Python gets to it; outside the main thread at the next `check`."""
        self.error = error
        if self._armed:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR2)

    def check(self) -> None:
        """Raise what was not raised yet."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    @contextmanager
    def armed(self) -> Iterator["Interruption"]:
        """SIGTERM stops the work while the block runs; only in the main thread, elsewhere nothing is changed."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
        signal.signal(signal.SIGTERM, self._terminated)
        signal.signal(signal.SIGUSR2, self._interrupted)
        self._armed = True
        try:
            yield self
        finally:
            self._armed = False
            if self._end is not None:
                self._end.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.check()

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        self._end = threading.Timer(GRACE, self._leave)
        self._end.daemon = True
        self._end.start()
        raise Stopped("SIGTERM")

    def _leave(self) -> None:
        if self.last_act is not None:
            act = threading.Thread(target=self.last_act, daemon=True)
            act.start()
            act.join(1.0)  # storage that does not answer keeps nobody
        os._exit(128 + signal.SIGTERM)

"""SIGTERM as an exception, so that what is being done can be brought to an end first."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Terminated(BaseException):
    """SIGTERM has come."""


@contextmanager
def sigterm_raised() -> Iterator[None]:
    """In this block SIGTERM raises an exception; after the block it does what it would have done at once.

    Where somebody else handles it, as Prefect does in a flow run, and outside the main thread, nothing is changed.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> None:
    raise _Terminated

"""What the leader of a stage does beside its work: keeps the history, and shows in Prefect how things stand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from threading import Event, Thread

from dataset.errors import InputError
from tasks.observing.artifacts import Board
from tasks.observing.history import History

EVERY = 30.0
"""Seconds between looks."""
_PATIENCE = 30.0
"""Seconds that the end waits for a server that does not answer."""


@contextmanager
def watched(history: History, board: Board, done: Callable[[], int]) -> Iterator[None]:
    """Writes the history and shows the board while the block runs, and at its end.

    Args:
        history: of the stage.
        board: of the stage.
        done: how many of its shards are made by now.
    """
    over = Event()

    def keep() -> None:
        _look(history, board, done())
        while not over.wait(EVERY):
            _look(history, board, done())
        _look(history, board, done(), last=True)

    # a thread of its own: neither storage nor server that is slow holds up the work; in this one's context, for Prefect
    thread = Thread(target=copy_context().run, args=[keep], daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_PATIENCE)


def _look(history: History, board: Board, done: int, last: bool = False) -> None:
    with suppress(InputError, OSError):
        history.write()
    with suppress(InputError, OSError):
        board.show(done, last)

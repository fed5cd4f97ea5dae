"""What a worker does beside its work: says that it lives and how it gets on, and hears what the run says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dataset.errors import InputError
from dataset.work.control import Control
from tasks.observing.activity import Activity
from tasks.sharing.interruption import Interruption, Stopped


@contextmanager
def pulse(activity: Activity, interruption: Interruption, every: float, obey: bool) -> Iterator[None]:
    """Writes the worker's record while the block runs; with `obey`, ends the work when the run says so."""
    run, record, over = activity.run, activity.record, threading.Event()
    record.beat_seconds = every

    def beat() -> None:
        order = Control.read(run.store)
        if order is not None:  # or else nothing of a finished run would come back
            run.store.write(record.file, activity.beat())
        if obey and (reason := reason_to_stop(order)):
            interruption(Stopped(reason))

    def keep() -> None:
        while not over.wait(every):
            _quietly(beat)

    _quietly(beat)
    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        record.state, obey = "left", False
        _quietly(beat)


def reason_to_stop(order: Control | None) -> str:
    """Why the run wants no more work; empty while it does."""
    if order is None:
        return "the run has ended"
    return "" if order.is_running else f"the run is {order.state}: {order.reason}"


def _quietly(act: Callable[[], None]) -> None:
    """A beat that cannot be heard for now stops no work."""
    try:
        act()
    except (InputError, OSError):
        return

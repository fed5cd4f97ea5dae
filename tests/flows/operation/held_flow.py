"""A flow as short as can be that holds something, gives it back at SIGTERM and then ends in order; or does not listen."""

import signal
import threading
from pathlib import Path

from prefect import flow


@flow
def hold(folder: str, listens: bool = True) -> None:
    """A file `held` stands for a claim; `released` says that it was given back."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: listens and told.set())
    held = Path(folder) / "held"
    held.touch()
    while not told.wait(0.05):
        pass
    held.rename(held.with_name("released"))

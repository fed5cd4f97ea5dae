"""A flow as short as can be that holds something, gives it back at SIGTERM and then ends in order; or does not listen."""

import signal
import time
from pathlib import Path

from prefect import flow


@flow
def hold(folder: str, listens: bool = True) -> None:
    """A file `held` stands for a claim; `released` says that it was given back."""
    told = []
    signal.signal(signal.SIGTERM, lambda number, _: listens and told.append(number))
    held = Path(folder) / "held"
    held.touch()
    while not told:
        time.sleep(0.05)
    held.rename(held.with_name("released"))

"""What a person sees while a run works: bars in a terminal, a line a stage elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def bar(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar for `total` things; call what it gives with the number just finished."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
            handle = progress.add_task(title, total=total)
            yield lambda count: progress.advance(handle, count)
    else:
        with _lines(title, total, unit) as advance:
            yield advance


@contextmanager
def _lines(title: str, total: int, unit: str, every: float = 15.0) -> Iterator[Callable[[int], None]]:
    started, spoken, finished = time.monotonic(), time.monotonic(), 0

    def advance(count: int) -> None:
        nonlocal finished, spoken
        finished += count
        if time.monotonic() - spoken > every:
            spoken = time.monotonic()
            sys.stderr.write(f"{title}: {finished}/{total} {unit}\n")

    yield advance
    sys.stderr.write(f"{title}: {finished} {unit} in {time.monotonic() - started:.1f} s\n")


def say(sentence: str) -> None:
    """One line for the person who watches the run."""
    sys.stderr.write(f"{sentence}\n")

"""What a person sees while a run works: bars in a terminal, a line a stage elsewhere. How tasks speak, all of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tasks.observing.context import surroundings
from tasks.observing.log import Figure, target, tell

EVERY = 15.0
"""Seconds between the lines that stand for a bar."""


@contextmanager
def bar(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar for `total` things; call what it gives with the number just finished."""
    console, listener = Console(stderr=True), surroundings().listener
    _, as_json = target()
    drawn = console.is_terminal and not as_json
    started, done = time.monotonic(), 0
    with _bar(console, title, total, unit) if drawn else _lines(title, total, unit) as show:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            show(count)
            if listener:
                listener.moved(unit, count, done, total)

        yield advance
    seconds = time.monotonic() - started
    if listener:
        listener.ended(title, seconds)
    told = f"{title}: {done} {unit} in {seconds:.1f} s"
    tell(told, shown=not drawn, count=done, unit=unit, seconds=round(seconds, 3))


@contextmanager
def _bar(console: Console, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        handle = progress.add_task(title, total=total)
        yield lambda count: progress.advance(handle, count)


@contextmanager
def _lines(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    spoken, finished = time.monotonic(), 0

    def advance(count: int) -> None:
        nonlocal finished, spoken
        finished += count
        if time.monotonic() - spoken > EVERY:
            spoken = time.monotonic()
            tell(f"{title}: {finished}/{total} {unit}", level="debug", count=finished, total=total, unit=unit)

    yield advance


def say(sentence: str, level: str = "info", **figures: Figure) -> None:
    """One line for the person who watches the run, and for machines: see `tasks.observing.log.tell`."""
    tell(sentence, level, **figures)

"""What the work at hand belongs to: known to every line that is said and every bar that moves, in whichever thread."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

NAMES = ("run", "dataset", "stage", "shard", "worker")
"""What work is told by."""


class Listener(Protocol):
    """Hears of every bar, and of what a step has measured for those who watch."""

    def moved(self, unit: str, count: int, done: int, total: int) -> None:
        """So many things more; `done` of `total` by now."""

    def ended(self, title: str, seconds: float) -> None:
        """A bar has come to its end."""

    def measured(self, when: str, figures: Mapping[str, Any]) -> None:
        """What the things at hand were like, such as `before` and `after` a step; no part of the dataset."""


@dataclass(frozen=True)
class Surroundings:
    """Where a line or a bar comes from."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Some of `NAMES` with their values."""
    listener: Listener | None = None


_SURROUNDINGS: ContextVar[Surroundings | None] = ContextVar("surroundings", default=None)
_open: dict[object, Context] = {}
"""The work of this process, the last begun at the end."""


@contextmanager
def within(listener: Listener | None = None, **names: str) -> Iterator[None]:
    """What happens in the block belongs to this work, besides what it belongs to already."""
    outer = _SURROUNDINGS.get() or Surroundings()
    token = _SURROUNDINGS.set(Surroundings({**outer.names, **names}, listener or outer.listener))
    key = object()
    _open[key] = copy_context()
    try:
        yield
    finally:
        del _open[key]
        _SURROUNDINGS.reset(token)


def surroundings() -> Surroundings:
    """Those of this thread."""
    return here(lambda: _SURROUNDINGS.get() or Surroundings())


def here(look: Callable[[], T]) -> T:
    """What `look` finds in this thread's context.

    Threads of pools begin with an empty one. A process has one work at a time, so theirs is the one that began last.
    """
    opened = list(_open.values())
    return opened[-1].copy().run(look) if _SURROUNDINGS.get() is None and opened else look()

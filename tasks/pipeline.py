"""Three stages that work at once: the next item is prepared and the last ones are finished while one is drawn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Item, Prepared, Drawn, Done = TypeVar("Item"), TypeVar("Prepared"), TypeVar("Drawn"), TypeVar("Done")


def pipeline(
    items: Iterable[Item],
    prepare: Callable[[Item], Prepared],
    draw: Callable[[Prepared], Drawn],
    finish: Callable[[Drawn], Done],
    finishers: int = 1,
) -> Iterator[Done]:
    """Results in the order of `items`; `draw` runs in the caller's thread, one item after the other.

    One item is prepared ahead, and at most `finishers` + 1 wait to be finished, so memory stays bounded. An error of any
    stage is raised when its item's turn comes; later items may have been drawn by then.
    """
    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(finishers) as behind:
        next_one: Future[Prepared] | None = None
        finishing: deque[Future[Done]] = deque()
        for future in chain((ahead.submit(prepare, item) for item in items), (None,)):
            if next_one is not None:
                finishing.append(behind.submit(finish, draw(next_one.result())))
            next_one = future
            while len(finishing) > finishers:
                yield finishing.popleft().result()
        while finishing:
            yield finishing.popleft().result()

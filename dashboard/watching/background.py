"""What takes longer than a page may: computed in one thread, kept, and computed again when its data has changed."""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger(__name__)


@dataclass
class Answer:
    """What there is of a computation."""

    value: Any = None
    """The newest result; None before the first, and when all have failed."""
    of: Hashable = None
    """The version of the data that `value` was computed from."""
    trouble: str = ""
    """Why the last try gave nothing, in a sentence."""
    is_working: bool = False
    """Whether a newer value is being computed, or waits for its turn."""
    ended: float = float("-inf")
    is_old: bool = False
    """Whether a newer value was asked for too soon after this one."""


class Background:
    """Computations by name."""

    def __init__(self, rest: float = 30.0) -> None:
        """`rest` is the least time between two computations of the same thing, seconds."""
        self._rest, self._answers = rest, dict[Hashable, Answer]()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._lock = threading.Lock()
        self._given = 0

    def answer(self, name: Hashable, of: Hashable, compute: Callable[[], Any]) -> Answer:
        """What is known by now; asks for a new value when that is of another version of the data.

        Args:
            name: of the computation, such as ("pose map", run).
            of: version of its data.
            compute: gives the value, or raises with a sentence.
        """
        with self._lock:
            answer = self._answers.setdefault(name, Answer())
            answer.is_old = answer.of != of
            if answer.is_old and self._has_rested(answer) and not answer.is_working:
                answer.is_working, answer.is_old = True, False
                self._thread.submit(self._compute, answer, of, compute)
            return Answer(**vars(answer))

    @property
    def version(self) -> tuple[int, int]:
        """Changes with every answer, and when the time has come to ask for a newer one."""
        with self._lock:
            return self._given, sum(one.is_old and self._has_rested(one) for one in self._answers.values())

    def _has_rested(self, answer: Answer) -> bool:
        return time.monotonic() - answer.ended >= self._rest

    def stop(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _compute(self, answer: Answer, of: Hashable, compute: Callable[[], Any]) -> None:
        value, trouble = None, ""
        try:
            value = compute()
        except Exception as error:
            trouble = str(error) or type(error).__name__
            _log.info("a computation failed", exc_info=True)
        with self._lock:
            answer.value = answer.value if trouble else value
            answer.of, answer.trouble, answer.is_working, answer.ended = of, trouble, False, time.monotonic()
            self._given += 1

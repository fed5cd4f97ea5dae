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


class Background:
    """Computations by name."""

    def __init__(self, rest: float = 30.0) -> None:
        """`rest` is the least time between two computations of the same thing, seconds."""
        self._rest, self._answers = rest, dict[Hashable, Answer]()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._lock = threading.Lock()
        self.version = 0
        """Goes up with every answer."""

    def answer(self, name: Hashable, of: Hashable, compute: Callable[[], Any]) -> Answer:
        """What is known by now; asks for a new value when that is of another version of the data.

        Args:
            name: of the computation, such as ("pose map", run).
            of: version of its data.
            compute: gives the value, or raises with a sentence.
        """
        with self._lock:
            answer = self._answers.setdefault(name, Answer())
            due = answer.of != of and time.monotonic() - answer.ended >= self._rest
            if due and not answer.is_working:
                answer.is_working = True
                self._thread.submit(self._compute, answer, of, compute)
            return Answer(**vars(answer))

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
            self.version += 1

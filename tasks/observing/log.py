"""Lines about the work: for people on the terminal or in Prefect's log of the run, for machines as JSON.

`RENDER_IH_LOG` says what machines get: nothing (empty or `human`), JSON in the place of the lines for people (`json`), or
JSON in a file that several processes may share (a path that ends in .jsonl).
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from dataset.errors import InputError
from tasks.observing.context import NAMES, Surroundings, here, surroundings

VARIABLE = "RENDER_IH_LOG"
LINES, SECONDS = 60, 60.0
"""At most so many lines in so many seconds go to Prefect, which keeps a row for each."""

Figure = float | int | str


class Allowance:
    """Lets so many through in a time, and counts the others."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._since, self._let, self._held = clock(), 0, 0
        self._lock = Lock()

    def take(self) -> int | None:
        """None: not this one. Otherwise how many were held since the last one that passed."""
        with self._lock:
            if self._clock() - self._since > self._seconds:
                self._since, self._let = self._clock(), 0
            if self._let >= self._most:
                self._held += 1
                return None
            self._let += 1
            held, self._held = self._held, 0
            return held


_allowance = Allowance(LINES, SECONDS)
_lost: set[Path] = set()
"""Files that could not be written, said once each."""


def tell(message: str, level: str = "info", shown: bool = True, **figures: Figure) -> None:
    """One line about the work.

    Args:
        message: a sentence for people.
        level: debug, info, warning or error; those of debug do not go to Prefect.
        shown: whether people shall see it on the terminal; False when they have seen it there already.
        figures: what the sentence says, as numbers.

    Raises:
        InputError: RENDER_IH_LOG is neither of the three.
    """
    file, as_json = target()
    if as_json or file:
        line = as_line(message, level, surroundings(), figures)
        if as_json:
            sys.stderr.write(line)
        else:
            _append(file, line)
    logger = here(_run_logger) if level != "debug" else None
    told = logger is not None and _told(logger, message, level)
    if shown and not as_json and not told:
        sys.stderr.write(f"{message}\n")


def target() -> tuple[Path | None, bool]:
    """The file for machines, if one is named; whether the terminal is for them.

    Raises:
        InputError: RENDER_IH_LOG is neither `json` nor `human` nor a file that ends in .jsonl.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted.endswith(".jsonl"):
        return Path(wanted), False
    if wanted not in ("", "human", "json"):
        raise InputError(f"{VARIABLE}={wanted}: say json, human, or a file that ends in .jsonl")
    return None, wanted == "json"


def as_line(message: str, level: str, place: Surroundings, figures: dict[str, Figure]) -> str:
    """The line for machines: a JSON object with always the same keys."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    about = {name: place.names.get(name, "") for name in NAMES}
    line = {"time": at, "level": level, "message": message, **about, "figures": figures}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _append(file: Path, line: str) -> None:
    try:
        with file.open("ab", buffering=0) as opened:  # one write at the end of the file: lines of others stay whole
            opened.write(line.encode())
    except OSError as error:
        if file not in _lost:
            _lost.add(file)
            sys.stderr.write(f"{VARIABLE}={file}: cannot be written ({error.strerror}); the work goes on without it\n")


def _run_logger() -> Any:
    """Prefect's logger of the run; None outside of one, where Prefect need not even be loaded."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect import get_run_logger
    from prefect.context import FlowRunContext, TaskRunContext

    return get_run_logger() if FlowRunContext.get() or TaskRunContext.get() else None


def _told(logger: Any, message: str, level: str) -> bool:
    """Whether the line went to Prefect, which shows it on the terminal as well."""
    held = _allowance.take()
    if held is None:
        return False
    if held:
        logger.info(f"({held} lines more are only in the output of the process)")
    logger.log(logging.getLevelNamesMapping()[level.upper()], message)
    return True

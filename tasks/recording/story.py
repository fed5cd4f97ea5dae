"""A journal as it was meant: one run, its steps, and how each of them ended."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tasks.recording.journal import in_use

_VANISHED = "The process ended without a word: it was killed, or the machine went down."
_TICK = timedelta(microseconds=1)
"""No two states of a run have the same time in Prefect's database."""


@dataclass(frozen=True)
class Ending:
    """How a run or step ended."""

    state: str
    """Completed, Failed, Cancelled or Crashed."""
    at: datetime
    message: str


@dataclass
class Entry:
    """A run or a step."""

    id: UUID
    name: str
    number: int
    """Of the steps of this name, from 0."""
    began: datetime
    about: dict[str, Any]
    """Of a run: `version`, `parameters`; of a step: `key`."""
    ending: Ending | None = None
    """None while it works."""


@dataclass
class Story:
    """A run with its steps in the order in which they began."""

    run: Entry
    steps: list[Entry] = field(default_factory=list)


def read_story(path: Path) -> Story | None:
    """What a journal tells so far; None when it tells nothing. Of a process that is gone, what has no end has crashed."""
    works, seen = in_use(path), _time(path.stat().st_mtime)  # first: how it ended is in the lines that are read then
    entries: dict[str, Entry] = {}
    for line in path.read_bytes().splitlines():
        _take_in(entries, line)
    if not entries:
        return None
    run, *steps = entries.values()
    if not works:
        _end_all(run, steps, seen)
    return Story(run, steps)


def _end_all(run: Entry, steps: list[Entry], seen: datetime) -> None:
    """What has no end has crashed when its process was last seen; the clock of files may be a little behind."""
    last = max([seen, *(step.began for step in steps), *(step.ending.at for step in steps if step.ending)])
    for entry in (*steps, run):
        entry.ending = entry.ending or _ending(entry, "Crashed", last + _TICK, _VANISHED)


def _take_in(entries: dict[str, Entry], line: bytes) -> None:
    try:
        told = json.loads(line)
        identity, at = told.pop("id"), _time(told.pop("at"))
        if "state" not in told:
            entries[identity] = Entry(UUID(identity), told.pop("name"), told.pop("number"), at, told)
        elif entry := entries.get(identity):
            entry.ending = _ending(entry, told["state"], at, told["message"])
    except (ValueError, KeyError):  # a line that the disk had no space for
        return


def _ending(entry: Entry, state: str, at: datetime, message: str) -> Ending:
    return Ending(state, max(at, entry.began + _TICK), message)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

"""What a training's `job.json` says, and how the training is, in a word and a sentence."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from dashboard.training.files import find
from dashboard.watching.places import public
from dashboard.wording import count, duration
from tasks.training_job.job import FILE

LARGEST = 1 << 22
"""Bytes of a `job.json` that is read."""
_MINUTES = 30.0
"""Of silence until a training counts as stalled, when its job does not say."""
_QUIET = 300.0
"""Seconds of silence that are worth a word."""
_BETWEEN = 60.0
"""Seconds that a job has for its next attempt."""
_ENDED = frozenset(("ended by itself", "stopped", "killed"))
"""Endings of an attempt that is no failure, see `tasks.training_job.supervisor.End`."""
_SECRET = ("token", "secret", "password", "passwd", "apikey", "api_key", "access_key", "credential")
_TOTAL = frozenset(("steps", "max_steps", "total_steps"))
"""Last words of an override that says how many steps the training has."""


class TrainingHealth(StrEnum):
    """How a training is."""

    RUNNING = "running"
    QUIET = "quiet"
    STALLED = "stalled"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


class Attempt(NamedTuple):
    """One start of the trainer."""

    devices: str
    batch_scale: float
    seconds: float | None
    ending: str

    @property
    def is_failure(self) -> bool:
        """Whether it ended by an error."""
        return self.ending not in _ENDED


@dataclass(frozen=True)
class JobNote:
    """`job.json`, as far as it is one."""

    network: str = ""
    dataset: str = ""
    """As pages may show it."""
    rows: int | None = None
    code_version: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the defaults may be told; values that look secret are hidden."""
    attempts: tuple[Attempt, ...] = ()
    trouble: str = ""
    """Why it cannot be read, in a sentence."""

    @property
    def patience(self) -> float:
        """Seconds of silence after which the job ends its trainer; infinite when it never does."""
        minutes = self.config.get("stall_minutes")
        if minutes == 0 and not isinstance(minutes, bool):
            return math.inf
        is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
        return 60 * (minutes if is_number and 0 < minutes < 1e6 else _MINUTES)

    @property
    def total(self) -> float | None:
        """Steps of the training, if an override says so."""
        for override in self.config.get("overrides") or ():
            name, _, value = str(override).partition("=")
            if name.rpartition(".")[2] in _TOTAL and value.isdigit() and len(value) < 16 and int(value):
                return float(value)
        return None


def read_job(folder: Path) -> JobNote:
    """What the folder's `job.json` says; an empty note when there is none."""
    found = find(folder, FILE)
    if found is None:
        return JobNote()
    try:
        with found.open() as file:
            text = file.read(LARGEST + 1)
        content = json.loads(text) if len(text) <= LARGEST else None
        return _note(content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return JobNote(trouble=f"{FILE} cannot be read; what it says of network, dataset and attempts is missing here.")


def _note(content: Mapping[str, Any]) -> JobNote:
    dataset, config = content["dataset"], content.get("config") or {}
    rows = dataset.get("rows")
    return JobNote(
        str(content["network"])[:80],
        public(str(dataset["url"]))[:500],
        rows if isinstance(rows, int) else None,
        str(content.get("code_version") or "")[:80],
        {str(name): _shown(value) for name, value in config.items()},
        tuple(map(_attempt, content["attempts"][-1000:])),
    )


def _attempt(told: Mapping[str, Any]) -> Attempt:
    devices = [str(device)[:60] for device in told.get("devices") or ()]
    if devices and all(device.isdigit() for device in devices):
        named = f"GPU {', '.join(devices)}"
    else:
        kinds = {device: devices.count(device) for device in devices}
        named = ", ".join(f"{number} × {device}" if number > 1 else device for device, number in kinds.items())
    seconds = told.get("seconds")
    return Attempt(
        named[:300],
        float(told.get("batch_scale") or 1),
        float(seconds) if seconds is not None else None,
        str(told.get("ending") or "")[:600],
    )


def _shown(value: Any) -> Any:
    """A setting as pages may show it: URLs without credentials, overrides without secrets."""
    if isinstance(value, list):
        return [_shown(part) for part in value]
    if not isinstance(value, str):
        return value
    name, equals, told = value.partition("=")
    if not equals or "://" in name:
        return public(value)
    return f"{name}=…" if any(word in name.lower() for word in _SECRET) else f"{name}={public(told)}"


class Signs(NamedTuple):
    """What tells whether a training lives."""

    quiet: float
    """Seconds since anything in its folder has changed."""
    after_note: bool
    """Whether something has changed after the last line of `job.json` was written."""
    has_metrics: bool
    is_finished: bool
    """Whether the metrics say that it is complete."""


def judge(note: JobNote, signs: Signs) -> tuple[TrainingHealth, str]:
    """How a training is, with the sentence that says what that means and what to do."""
    if signs.is_finished:
        return TrainingHealth.FINISHED, "The training is complete."
    last = note.attempts[-1] if note.attempts else None
    if last and not signs.after_note:
        if not last.is_failure:
            return TrainingHealth.STOPPED, _stopped(note.attempts)
        if signs.quiet >= _BETWEEN:
            tries = count(len(note.attempts), "attempt")
            return TrainingHealth.FAILED, f"Failed after {tries}: {last.ending}. The lines of the trainer say more."
        return TrainingHealth.RUNNING, f"The last attempt failed ({last.ending}); the job may be about to try again."
    return _alive(note, signs)


def _stopped(attempts: Sequence[Attempt]) -> str:
    ended = {
        "killed": "was told to stop and took too long, so older checkpoints count",
        "stopped": "was stopped and had time to save",
    }.get(attempts[-1].ending, "ended by itself and has not said that the training is complete")
    return f"The trainer {ended}; the same job started again goes on from the newest checkpoint."


def _alive(note: JobNote, signs: Signs) -> tuple[TrainingHealth, str]:
    silence = f"No sign of life for {duration(signs.quiet // 60 * 60)}: no line in metrics or log, no heartbeat."
    if signs.quiet >= note.patience:
        way = (
            "Start the same job again to go on from the newest checkpoint"
            if note.network
            else "See whether it still runs"
        )
        return TrainingHealth.STALLED, f"{silence} {way}, if nothing runs there any more."
    if signs.quiet >= _QUIET:
        return TrainingHealth.QUIET, silence
    if not signs.has_metrics:
        return TrainingHealth.RUNNING, "It has begun; there is no line of metrics yet."
    return TrainingHealth.RUNNING, "It runs."

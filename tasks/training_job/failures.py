"""Why a trainer failed: every failure has a class, and the class decides what is done about it."""

import re
import signal
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

_NO_MEMORY = re.compile(
    r"out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|can't allocate memory|not enough memory|MemoryError|"
    r"Unable to allocate"
)
_DEVICE = re.compile(
    r"NCCL (?:error|WARN)|nccl\w+Error|DistBackendError|uncorrectable (?:ECC|NVLink) error|no CUDA-capable device|"
    r"busy or unavailable|CUDA driver error|CUDA unknown error|unspecified launch failure"
)
_PEER = re.compile(r"Connection (?:closed|reset) by peer|Broken pipe|remote process exit")
"""What a training process says when another one is gone."""
_STATUS = re.compile(r"exitcode\s*: (-?\d+) \(pid")
_TORCHRUN = re.compile(r"torch/distributed/(?:elastic|run)|torch\.distributed\.(?:elastic|run)")
"""Lines of torchrun itself."""
_REFUSED = "InputError: "
_SHOWN = 300


class TrainingFailure(StrEnum):
    """The classes of failed attempts; docs/training-jobs.md shows them with what is done about each."""

    OUT_OF_MEMORY = "out of memory"
    """Of the GPU, or the kernel killed a training process for want of memory."""
    LOST_DEVICE = "lost device"
    """A GPU, its driver, or the connection between training processes failed."""
    STALLED = "stalled"
    """No sign of life for too long."""
    CRASH = "crash"
    """A training process was ended by a signal."""
    TRAINER_ERROR = "error in the trainer"
    BAD_INPUT = "bad input"
    """The trainer refused what it was given."""


class Failed(NamedTuple):
    """A failure with its detail: the trainer's own last words, where it had any."""

    failure: TrainingFailure
    detail: str


class TrainingError(RuntimeError):
    """A job was given up; the text is one sentence."""


def diagnose(errors: Sequence[str], lines: Sequence[str], starved: bool) -> Failed:
    """The class of a failed attempt.

    Args:
        errors: what the training processes died of, as "Type: message", those that said it.
        lines: the end of the attempt's log.
        starved: the kernel has meanwhile killed something for want of memory.
    """
    status = _telling_status(lines)
    if starved and status == -signal.SIGKILL:
        return Failed(TrainingFailure.OUT_OF_MEMORY, "the kernel killed a training process for want of memory")
    telling = [error for error in errors if not _PEER.search(error)]
    if found := _of_errors(telling) if telling else _of_log(lines):
        return found
    if status < 0 and status != -signal.SIGTERM:
        return Failed(TrainingFailure.CRASH, f"a training process ended by {signal.Signals(-status).name}")
    if errors:
        return Failed(TrainingFailure.LOST_DEVICE, _first_line(errors[0]))
    last = _before_torchrun(lines)
    ended = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return Failed(TrainingFailure.TRAINER_ERROR, f"{ended}{f'; its last line was: {last}' if last else ''}")


def _of_errors(errors: Sequence[str]) -> Failed:
    """By what training processes died of: want of memory explains the others' errors, and their own errors a lost device."""
    for error in errors:
        if error.startswith(_REFUSED):
            return Failed(TrainingFailure.BAD_INPUT, _first_line(error.removeprefix(_REFUSED)))
        if _NO_MEMORY.search(error):
            return Failed(TrainingFailure.OUT_OF_MEMORY, _first_line(error))
    for error in errors:
        if not _DEVICE.search(error):
            return Failed(TrainingFailure.TRAINER_ERROR, _first_line(error))
    return Failed(TrainingFailure.LOST_DEVICE, _first_line(errors[0]))


def _of_log(lines: Sequence[str]) -> Failed | None:
    """By what was written before a process ended without a word to torchrun; None where that tells nothing."""
    said = [line for line in lines if not (_TORCHRUN.search(line) or _PEER.search(line))]
    for failure, pattern in ((TrainingFailure.OUT_OF_MEMORY, _NO_MEMORY), (TrainingFailure.LOST_DEVICE, _DEVICE)):
        if found := next(filter(pattern.search, said), None):
            return Failed(failure, _first_line(found))
    return None


def _telling_status(lines: Sequence[str]) -> int:
    """Of the exit statuses in torchrun's report: a signal, but not the SIGTERM that torchrun itself sends; else any."""
    found = [int(match[1]) for line in lines if (match := _STATUS.search(line))]
    signals = [status for status in found if status < 0 and status != -signal.SIGTERM]
    return (signals or [status for status in found if status > 0] or found or [1])[0]


def _before_torchrun(lines: Sequence[str]) -> str:
    """What was last said before torchrun began to report."""
    first = next((number for number, line in enumerate(lines) if "failed (exitcode" in line), len(lines))
    said = [line.strip() for line in lines[:first] if line.strip() and not _TORCHRUN.search(line)]
    return said[-1][:_SHOWN] if said else ""


def _first_line(error: str) -> str:
    """The first line of an error's text: torch puts advice and stacks of C++ below it."""
    return error.strip().splitlines()[0][:_SHOWN]

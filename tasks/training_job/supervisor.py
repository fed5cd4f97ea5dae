"""One attempt at training: torchrun is started, watched, and ended in time, whatever happens."""

import json
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tasks.training_job.failures import Failed, TrainingFailure, diagnose
from tasks.training_job.kernel import oom_kills
from tasks.training_job.log import Log
from tasks.training_job.process import TrainerProcess

LOOK_SECONDS = 0.5
"""Between looks at the process and its log."""
COUNT_SECONDS = 5.0
"""Between looks at processor time."""
BUSY = 0.05
"""Share of one core that counts as a sign of life."""


class Limits(NamedTuple):
    """How long an attempt may take."""

    until: float
    """Value of `time.monotonic()` at which the trainer is told to save and end."""
    grace: float
    """Seconds that it has for that."""
    silence: float
    """Seconds without a sign of life after which it is killed."""


class End(StrEnum):
    """How an attempt ended."""

    DONE = "ended by itself"
    STOPPED = "stopped"
    """Told to, and it had time to save."""
    KILLED = "killed"
    """Told to stop, it took longer than its grace; older checkpoints stay."""
    FAILED = "failed"


class Ending(NamedTuple):
    """How an attempt ended, and why it failed."""

    end: End
    failed: Failed | None = None


class Pulse:
    """When a trainer last gave a sign of life.

    A line in the log and a new time of the heartbeat file are signs; processor time is one only for trainers that keep no
    heartbeat: a process that waits for another one in vain may be busy waiting.
    """

    def __init__(self, heartbeat: Path, count_seconds: float = COUNT_SECONDS) -> None:
        """`count_seconds` lie between looks at processor time."""
        self._file, self._beat, self._every = heartbeat, _modified(heartbeat), count_seconds
        self._keeps_heartbeat, self._cpu = False, 0.0
        self._counted = self._last = time.monotonic()

    def line(self) -> None:
        """The trainer wrote to its log."""
        self._last = time.monotonic()

    def silence(self, process: TrainerProcess) -> float:
        """Seconds since the last sign of life."""
        now = time.monotonic()
        if (beat := _modified(self._file)) != self._beat:
            self._beat, self._keeps_heartbeat, self._last = beat, True, now
        if not self._keeps_heartbeat and now - self._counted >= self._every:
            cpu = process.cpu_seconds()
            if cpu - self._cpu > BUSY * (now - self._counted):
                self._last = now
            self._cpu, self._counted = cpu, now
        return now - self._last


def attempt(torchrun: Sequence[str], environment: dict[str, str], heartbeat: Path, limits: Limits, log: Log) -> Ending:
    """Run torchrun with these arguments to its end.

    When an error or a signal comes out of the wait, the trainer gets its grace to save, and then the error goes on.
    """
    with TemporaryDirectory(prefix="render-ih-training-") as reports:
        killed_before = oom_kills()
        command = [sys.executable, "-m", "torch.distributed.run", "--log-dir", reports, *torchrun]
        process = TrainerProcess(command, {**environment, "TORCHELASTIC_ERROR_FILE": f"{reports}/first.json"}, log.file)
        try:
            ending = _watch(process, Pulse(heartbeat, min(COUNT_SECONDS, limits.silence / 4)), limits, log)
        except BaseException:
            _stop(process, limits.grace, log)
            raise
        finally:
            process.end()
            log.lines(process.new_lines())
            log.flush()
            process.close()
        if ending is not None:
            return ending
        if process.popen.returncode == 0:
            return Ending(End.DONE)
        return Ending(End.FAILED, diagnose(_errors(Path(reports)), list(log.last), oom_kills() > killed_before))


def _watch(process: TrainerProcess, pulse: Pulse, limits: Limits, log: Log) -> Ending | None:
    """Wait for the end; None when it came by itself."""
    while not process.ends_within(LOOK_SECONDS):
        if lines := process.new_lines():
            pulse.line()
        log.lines(lines)
        if time.monotonic() > limits.until:
            return Ending(_stop(process, limits.grace, log))
        if pulse.silence(process) > limits.silence:
            process.show_stacks()
            silent = f"no sign of life for {limits.silence / 60:g} minutes"
            return Ending(End.FAILED, Failed(TrainingFailure.STALLED, silent))
    return None


def _stop(process: TrainerProcess, grace: float, log: Log) -> End:
    """Tell the trainer to save and end, and wait for that."""
    log.say(f"the trainer is told to save and end within {grace:g} s")
    process.ask_to_stop()
    deadline = time.monotonic() + grace
    while (left := deadline - time.monotonic()) > 0:
        if process.ends_within(min(left, LOOK_SECONDS)):
            return End.STOPPED
        log.lines(process.new_lines())
    log.say(f"the trainer has not ended within {grace:g} s and is killed; older checkpoints stay")
    return End.KILLED


def _errors(reports: Path) -> list[str]:
    """What training processes died of, as they reported it to torchrun; the first one first."""
    found = []
    for file in reports.rglob("error.json"):
        try:
            message = json.loads(file.read_text())["message"]
            found.append((int(message["extraInfo"]["timestamp"]), str(file), message["message"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # killed while it reported
    return [text for _, _, text in sorted(found)]


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0

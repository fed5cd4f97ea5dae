"""torchrun and its training processes seen from outside: started, read, told to stop, ended. They never outlive the job."""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from dataset.lifeline import tied
from tasks.training_job.trainer_process import SHOW_STACKS

ROOT = Path(__file__).resolve().parents[2]
_WRITE_STACKS = 1.0
"""Seconds that a training process has to write where it stands."""


class TrainerProcess:
    """A command in a session of its own, whose output goes to the end of a log file."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with log.open("ab") as output:
            self._log = log.open("rb")
            self._log.seek(0, os.SEEK_END)
            self._begun_line = b""
            self.popen = psutil.Popen(
                tied(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path, **environment},
                start_new_session=True,
            )
        self._started: set[psutil.Process] = set()

    def ends_within(self, seconds: float) -> bool:
        """Wait a little, in small steps that a signal or a time limit can interrupt."""
        with suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
            self.popen.wait(seconds)
            return True
        return False

    def new_lines(self) -> list[str]:
        """What was written to the log since the last call; of a line that goes on, nothing yet while the process runs."""
        *whole, begun = re.split(rb"[\r\n]+", self._begun_line + self._log.read())
        self._begun_line = begun
        if self.popen.poll() is not None:
            whole, self._begun_line = [*whole, begun], b""
        return [text for line in whole if (text := line.decode(errors="replace").rstrip())]

    def cpu_seconds(self) -> float:
        """Processor time of the training processes and what they started, without those that have ended."""
        seconds = 0.0
        for process in self._descendants():
            with suppress(psutil.Error):
                times = process.cpu_times()
                seconds += times.user + times.system
        return seconds

    def ask_to_stop(self) -> None:
        """SIGTERM to the training processes; to torchrun when it has not started them yet.

        torchrun would pass it on, and then report that they failed.
        """
        self._signal(signal.SIGTERM, self._trainers() or [self.popen])

    def show_stacks(self) -> None:
        """Make the training processes write to the log where they stand."""
        self._signal(SHOW_STACKS, self._trainers())
        time.sleep(_WRITE_STACKS)

    def end(self) -> None:
        """Kill it and everything that it started."""
        self._signal(signal.SIGKILL, [self.popen, *self._descendants()])
        self.popen.wait()

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()

    def _trainers(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return self.popen.children()
        return []

    def _descendants(self) -> set[psutil.Process]:
        """Every process that was ever seen below this one, also where its parent is gone."""
        with suppress(psutil.Error):
            self._started |= set(self.popen.children(recursive=True))
        self._started = {process for process in self._started if process.is_running()}
        return self._started

    @staticmethod
    def _signal(kind: signal.Signals, processes: list[psutil.Process]) -> None:
        for process in processes:
            with suppress(psutil.Error, ProcessLookupError):
                process.send_signal(kind)

"""One Blender process seen from outside: started, asked, watched while it works, ended. It never outlives its parent."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dataset.lifeline import tied
from rendering.blender.worker import NO_MEMORY
from rendering.failures import Failure, RenderError
from rendering.messages import Message, read_message, write_message

LOG_TAIL = 4000
LOOK_EVERY = 0.5
"""Seconds between looks at the machine's memory while an image is drawn."""
SCARCE = 0.04
"""Share of the machine's memory: when less was left, a SIGKILL came from the kernel for want of memory."""


class BlenderProcess:
    """`python -m rendering.blender.worker` with its pipes and its log."""

    def __init__(self) -> None:
        self.log = tempfile.TemporaryFile(prefix="render-ih-log-")  # noqa: SIM115  closed by end()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        root = str(Path(__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
        self.killed_before, self.least_free = _oom_kills(), 1.0
        self.popen = subprocess.Popen(
            tied([sys.executable, "-m", "rendering.blender.worker"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.popen.pid

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL has ended it."""
        return self.popen.poll() == -signal.SIGKILL

    def ask(self, message: Message, timeout: float) -> Message:
        """Send a message and wait for the answer.

        Raises:
            RenderError: no answer in time, or the process ended; nothing more can be asked of it then.
        """
        try:
            write_message(self.popen.stdin, *message)
            if not self._answers_within(timeout):
                raise RenderError(Failure.TIME_LIMIT, f"no answer within {timeout:g} s", timeout, timeout)
            return read_message(self.popen.stdout)
        except (EOFError, BrokenPipeError):
            raise self._why_it_ended() from None

    def resident_bytes(self) -> int:
        """Memory that the process holds; 0 when it is gone."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0

    def end(self) -> None:
        """Kill it and what it started."""
        for pipe in (self.popen.stdin, self.popen.stdout):
            with suppress(BrokenPipeError):  # what was buffered can go nowhere any more
                pipe.close()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        self.log.close()

    def _answers_within(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if _readable(self.popen.stdout, min(left, LOOK_EVERY)):
                return True
            self.least_free = min(self.least_free, _free_share())
        return False

    def _why_it_ended(self) -> RenderError:
        status, last = self.popen.wait(10), self._last_words()
        starved = status == -signal.SIGKILL and (_oom_kills() > self.killed_before or self.least_free < SCARCE)
        if starved or NO_MEMORY.search(last):
            return RenderError(Failure.OUT_OF_MEMORY, f"the Blender process ended by {ending(status)}")
        lines = [line.strip() for line in last.decode(errors="replace").splitlines() if line.strip()]
        if status == -signal.SIGKILL:
            return RenderError(Failure.KILLED, "the Blender process ended by SIGKILL")
        words = f"; its last line was: {lines[-1][:300]}" if lines else ""
        return RenderError(Failure.CRASH, f"the Blender process ended by {ending(status)}{words}")

    def _last_words(self) -> bytes:
        self.log.seek(max(0, os.fstat(self.log.fileno()).st_size - LOG_TAIL))
        return self.log.read()


def ending(status: int) -> str:
    """How a process ended, in words: a signal by its name."""
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _free_share() -> float:
    """Share of the machine's memory that is still free; 1 where it cannot be known."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    except (OSError, KeyError, ValueError):
        return 1.0


def _oom_kills() -> int:
    """How often the kernel has killed something of this container for want of memory; 0 where it cannot be known."""
    with suppress(OSError, ValueError):
        lines = Path("/sys/fs/cgroup/memory.events").read_text().split("\n")
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def _readable(pipe: BinaryIO, timeout: float) -> bool:
    return bool(select.select([pipe], [], [], timeout)[0])

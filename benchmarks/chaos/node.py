"""A node of the fleet, as like a machine as this machine allows: processes that see only each other, a disk of its own.

With the rights of root it is a PID namespace, so that other nodes know nothing of its processes, and its disk is a small file
system in memory. Without them it is a group of processes and a folder, and its disk cannot be filled.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.chaos.processes import below, kill_tree

DISK_MB = 200
RESTART_S = 10.0
"""Until a worker that has ended is started again, as docker/systemd does."""
_FILLER = "filler"
_PAGE = 1 << 20
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def can_be_apart() -> bool:
    """Whether nodes can have processes and disks of their own here."""
    return os.geteuid() == 0 and shutil.which("mount") is not None and _succeeds(*APART, "true")


class Node:
    """One `render-ih worker`, with a disk that outlives it."""

    def __init__(
        self, name: str, pool: str, folder: Path, code: Path, environment: dict[str, str], apart: bool
    ) -> None:
        self.name, self.pool, self.apart = name, pool, apart
        self.disk, self.log, self._code = folder / "disk", folder / "log", code
        self._environment = environment
        self._process: subprocess.Popen | None = None
        self._ended: float | None = None
        self.disk.mkdir(parents=True, exist_ok=True)
        if apart:
            options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs"]
            subprocess.run(["mount", *options, self.disk], check=True)

    def start(self) -> None:
        """Switch it on."""
        self._ended = None
        own = {"cache": "XDG_CACHE_HOME", "tmp": "TMPDIR", "prefect": "PREFECT_HOME"}
        environment = self._environment | {variable: str(self.disk / name) for name, variable in own.items()}
        for name in own:
            (self.disk / name).mkdir(exist_ok=True)
        words = ["worker", "--pool", self.pool, "--device", "cpu", "--name", self.name]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*(APART if self.apart else ()), sys.executable, "-c", "from flows.cli import main; main()", *words],
                cwd=self._code,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def is_on(self) -> bool:
        """Whether its worker runs."""
        return self._process is not None and self._process.poll() is None

    def keep_up(self) -> bool:
        """Start a worker again that has ended by itself, after a while; whether it was."""
        if self._process is None or self.is_on:
            return False
        self._ended = self._ended or time.monotonic()
        if time.monotonic() - self._ended < RESTART_S:
            return False
        self.start()
        return True

    def processes(self, kind: str) -> list[psutil.Process]:
        """Its processes of a kind (see `benchmarks.chaos.processes.kind_of`)."""
        return below(self._process.pid, kind) if self.is_on else []

    def kill(self) -> None:
        """Power failure: everything on it is gone at once, but for what its disk holds."""
        process, self._process = self._process, None
        if process is not None:
            kill_tree(process.pid)
            process.wait()

    def fill_disk(self) -> None:
        """Leave no room on its disk."""
        with suppress(OSError), (self.disk / _FILLER).open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(_PAGE))

    def free_disk(self) -> None:
        """Give the room back."""
        (self.disk / _FILLER).unlink(missing_ok=True)

    def remove(self) -> None:
        """Off, and its disk gone."""
        self.kill()
        if self.apart:
            subprocess.run(["umount", "--lazy", self.disk], check=True)


def _succeeds(*words: str) -> bool:
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

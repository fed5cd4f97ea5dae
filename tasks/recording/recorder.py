"""The process in the background that waits for runs to end, and then has their journals told to Prefect's database.

    python -m tasks.recording.recorder FOLDER

It is started by every run and is alone in its folder and on its machine: a second one leaves at once. It sleeps nearly always,
works at a low priority, and ends when no journal is left. A long run is told of while it works, ever more rarely. What cannot
be told stays for the recorder of a later run.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tasks.recording.journal import SUFFIX, host, in_use

ROOT = Path(__file__).resolve().parents[2]
LOG = "recorder.log"
PAUSE = 2.0
"""Seconds between looks; what crashed did so that precisely."""
FIRST_LOOK = 300.0
"""Seconds after which a run that still works is told of; small ones are never disturbed."""
LONGEST_PAUSE = 1800.0
"""Seconds between tellings of a long run; before, each pause is twice the last."""
ATTEMPTS = 3
RETRY_AFTER = 60.0
"""Seconds."""
PATIENCE = 1800.0
"""Seconds for one telling, which takes five to ten of a processor, on a machine that has little time for it."""
NICE = 10
"""A tenth of what others get where they want all; with less, Prefect's database would be kept locked for long."""
ABANDONED = 24 * 3600.0
"""Seconds after which an untouched journal of another machine is taken over."""
MOST_LOG = 1 << 20


def start_recorder(folder: Path) -> None:
    """Start one for the journals in `folder`; returns at once.

    Raises:
        OSError: the machine refuses.
    """
    log = folder / LOG
    with suppress(FileNotFoundError):
        if log.stat().st_size > MOST_LOG:
            log.unlink()
    with log.open("ab") as words:
        # Nothing of the caller's is kept open: whoever reads the run's output must not wait for the recorder.
        streams = {"stdin": subprocess.DEVNULL, "stdout": words, "stderr": words}
        _python("tasks.recording.recorder", folder, **streams, start_new_session=True)


def keep_record(folder: Path) -> None:
    """Tell of all journals in a folder, as they grow, until none is left; leaves at once when another does it."""
    while _journals(folder):
        with _alone(folder) as alone:
            if not alone or not _Watch(folder).finish():
                return


class _Watch:
    """What the recorder remembers while it works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.next_look: dict[Path, float] = {}
        """When a run that works is told of again."""
        self.pauses: dict[Path, float] = {}
        """Seconds between its tellings."""
        self.failures: Counter[Path] = Counter()

    def finish(self) -> bool:
        """Work until no journal is left, or only such as cannot be told: then False."""
        while journals := [path for path in _journals(self.folder) if self.failures[path] < ATTEMPTS]:
            working = {path for path in journals if in_use(path)}
            for path in working:
                os.utime(path)  # when it was last seen alive
                self.next_look.setdefault(path, time.monotonic() + FIRST_LOOK)
            ended = [path for path in journals if path not in working]
            due = ended + [path for path in working if time.monotonic() > self.next_look[path]]
            if due:
                self._tell(due, ended)
            else:
                time.sleep(PAUSE)
        return not _journals(self.folder)

    def _tell(self, due: list[Path], ended: list[Path]) -> None:
        told = tell(due)
        for path in told.intersection(ended):
            path.unlink(missing_ok=True)
        for path in told.difference(ended):
            self.pauses[path] = min(2 * self.pauses.get(path, FIRST_LOOK), LONGEST_PAUSE)
            self.next_look[path] = time.monotonic() + self.pauses[path]
        missed = set(due) - told
        self.failures.update(missed)
        if missed:
            time.sleep(RETRY_AFTER)


def tell(journals: list[Path]) -> set[Path]:
    """Have journals told to Prefect's database by a process that ends with it; those of which that went well."""
    process = _python("tasks.recording.replay", *journals, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return {Path(line) for line in said.decode().splitlines()}.intersection(journals)


def _python(module: str, *words: Path, **how: Any) -> subprocess.Popen:
    """Run a module in the current folder, where Prefect's settings may lie, without importing anything from there."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    return subprocess.Popen([sys.executable, "-P", "-m", module, *map(str, words)], env=environment, **how)


def _journals(folder: Path) -> list[Path]:
    """Those of this machine, and abandoned ones."""
    return [path for path in sorted(folder.glob(f"[!.]*{SUFFIX}")) if _is_ours(path)]


def _is_ours(path: Path) -> bool:
    return path.name.partition(".")[0] == host() or time.time() - path.stat().st_mtime > ABANDONED


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    with (folder / f"recorder-{host()}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def step_back() -> None:
    """Let everybody else go first: within the session, and the session among others, which Linux weighs as groups."""
    os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


if __name__ == "__main__":
    step_back()
    keep_record(Path(sys.argv[1]))

"""Processes of a node by what they are: Blender, a flow run, a Prefect worker. Found from outside, ended without warning."""

import signal
import time
from contextlib import suppress

import psutil

_SIGNS = {"renderer": "rendering.blender.worker", "run": "prefect.engine", "worker": "prefect --no-prompt worker start"}
_PAUSE_S = 0.02


def kind_of(words: list[str]) -> str:
    """`renderer`, `run` or `worker` by a command line; empty for anything else."""
    line = " ".join(words)
    return next((kind for kind, sign in _SIGNS.items() if sign in line), "")


def below(root: int, kind: str) -> list[psutil.Process]:
    """Living processes of a kind below another one, in the order of their ids."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(root).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if kind_of(process.cmdline()) == kind and _lives(process):
                    found.append(process)
    return sorted(found, key=lambda process: process.pid)


def kill_tree(root: int) -> None:
    """SIGKILL for a process and all below it, those that appear meanwhile too; none of them lives afterwards."""
    known = set[psutil.Process]()
    with suppress(psutil.NoSuchProcess):
        known.add(psutil.Process(root))
    while living := [process for process in known if _lives(process)]:
        for process in living:
            with suppress(psutil.NoSuchProcess):
                known.update(process.children(recursive=True))
        for process in known:
            kill(process)
        time.sleep(_PAUSE_S)


def kill(process: psutil.Process) -> None:
    """SIGKILL, if it is still there."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False

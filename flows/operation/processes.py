"""Processes below this one: started so that they cannot outlive it, found again when their own parent is gone, ended."""

import ctypes
import os
import subprocess
from collections import defaultdict
from contextlib import suppress

import psutil

from dataset.lifeline import tied

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER = 36


def start(command: list[str], environment: dict[str, str]) -> subprocess.Popen:
    """Start a command in a session of its own (Ctrl-C does not reach it); the kernel kills it when this process is gone."""
    return subprocess.Popen(tied(command), env=environment, start_new_session=True)


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends, so that none is lost."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children_below() -> dict[int, list[psutil.Process]]:
    """Living processes below this one by their parent's id, this one's own children included; one look at the machine."""
    by_parent = defaultdict(list)
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if is_alive(process):
                by_parent[process.ppid()].append(process)
    return by_parent


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs: it is neither gone nor only waiting for its parent to take notice."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def ask_to_end(process: psutil.Process) -> None:
    """Send SIGTERM, if it is still there."""
    with suppress(psutil.NoSuchProcess):
        process.terminate()


def kill(process: psutil.Process) -> None:
    """Send SIGKILL, if it is still there."""
    with suppress(psutil.NoSuchProcess):
        process.kill()


def kill_all_below() -> None:
    """Kill every process below this one; with `adopt_orphans` none can escape by losing its parent."""
    while below := [process for process in psutil.Process().children(recursive=True) if is_alive(process)]:
        for process in below:
            kill(process)
        psutil.wait_procs(below, timeout=0.2)


def bury(spared: set[int]) -> None:
    """Take notice of adopted processes that have ended; `spared` are ids that somebody else waits for."""
    for child in psutil.Process().children():
        if child.pid not in spared and not is_alive(child):
            with suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)

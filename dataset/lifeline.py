"""Processes that the kernel kills when the one that started them is gone, however that ended.

`subprocess` could ask the kernel between fork and exec (`preexec_fn`), but there a process with threads may hang for good:
locks that another thread held stay locked. So the new program is started by this file, which asks and becomes that program.

python lifeline.py PARENT PROGRAM ARGUMENT…
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tied(command: list[str]) -> list[str]:
    """The command line for `subprocess` that starts a command so; its process id is the program's own.

    Its parent is the thread that starts it: when that thread ends, the program is killed.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *map(str, command)]


def die_with_parent() -> None:
    """From now on this process is killed when the thread that started it is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _become(parent: int, command: list[str]) -> None:
    die_with_parent()
    if os.getppid() != parent:  # it was gone before the kernel was asked
        sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])

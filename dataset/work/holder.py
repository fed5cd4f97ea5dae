"""Who holds a shard: a process, told so that another process of the same machine can see whether it still lives."""

import os
import re
import socket
from functools import cache
from pathlib import Path
from typing import Any


@cache
def machine() -> str:
    """This machine until it is started anew; a container with processes of its own counts as one."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    parts = [socket.gethostname(), boot.read_text().strip() if boot.exists() else ""]
    return "/".join([*parts, str(space.stat().st_ino) if space.exists() else ""])


def this_process() -> dict[str, Any]:
    """The holder that this process is."""
    return {"machine": machine(), "pid": os.getpid(), "born": _born(os.getpid())}


def is_gone(holder: dict[str, Any]) -> bool:
    """Whether a holder is known to be dead; of other machines that is never known."""
    return holder["machine"] == machine() and _born(holder["pid"]) != holder["born"]


def _born(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when there is none, or it is dead and only not yet collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def worker_name() -> str:
    """Name of this process among the workers: as `RENDER_IH_WORKER` says, or machine and process; it names files."""
    name = os.environ.get("RENDER_IH_WORKER") or f"{socket.gethostname()}-{os.getpid()}"
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)

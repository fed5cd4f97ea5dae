"""What is asked of the Linux kernel about processes."""

from contextlib import suppress
from pathlib import Path


def oom_kills() -> int:
    """How many processes of this machine the kernel has killed for want of memory; 0 where it cannot be known."""
    with suppress(OSError, ValueError):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0

"""What Cycles can draw on here, asked of a Blender process of its own (`rendering.blender.device`)."""

import subprocess
import sys

from dataset.errors import InputError

GPU_KINDS = ("OPTIX", "CUDA", "HIP", "ONEAPI", "METAL")
"""Cycles' ways of driving a GPU, the fastest first."""
PATTERN = f"^(AUTO|CPU|({'|'.join(GPU_KINDS)})(:[0-9]+)?)$"
"""How a device is named: the index counts the devices of that kind; several GPUs are several runs of one index each."""
LIBRARIES = "libgl1 libice6 libsm6 libx11-6 libxfixes3 libxi6 libxkbcommon0 libxrender1"
"""Debian packages of the system libraries that the bpy wheel links to and does not bring."""

MARK = "device: "
"""Begins a line of that process that names a device; Blender says other things besides."""


def parse_device(wanted: str) -> tuple[str, int]:
    """Kind and index of a device's name."""
    kind, _, index = wanted.partition(":")
    return kind, int(index or 0)


def device_fault(wanted: str) -> str | None:
    """Why a run with `machine.render_device` = `wanted` cannot draw here; None when it can.

    AUTO and CPU always can, and cost nothing; for a GPU Blender is started to list what there is (seconds).

    Raises:
        InputError: Blender does not start.
    """
    kind, index = parse_device(wanted)
    if kind in ("AUTO", "CPU"):
        return None
    devices = render_devices()
    matching = [device for device in devices if device.split(" ")[0] == kind]
    return None if index < len(matching) else absent(wanted, devices)


def absent(wanted: str, there: list[str]) -> str:
    """The sentence for a device that was asked for and is not here."""
    listed = ", ".join(device for device in there if not device.startswith("CPU")) or "no GPU"
    return f"machine.render_device is {wanted}, but Blender finds {listed} here; choose device AUTO or CPU, or mend the driver"


def render_devices(timeout: float = 120.0) -> list[str]:
    """Names of the devices, the CPU included, best first.

    Raises:
        InputError: Blender does not start here; the message says why and what to install.
    """
    command = [sys.executable, "-m", "rendering.blender.device"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or [f"it ended with status {answer.returncode}"])[-1]
        raise InputError(f"Blender could not start: {reason}{library_hint(reason)}")
    marked = [line for line in answer.stdout.splitlines() if line.startswith(MARK)]
    return [line.removeprefix(MARK) for line in marked]


def library_hint(reason: str) -> str:
    """What to install when Blender failed for want of a system library; empty otherwise."""
    if "cannot open shared object" not in reason:
        return ""
    return f"; on Debian or Ubuntu: apt-get install {LIBRARIES}"

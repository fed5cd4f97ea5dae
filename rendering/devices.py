"""What Cycles can draw on here, asked of a Blender process of its own: `python -m rendering.devices` prints a line each."""

import subprocess
import sys

from dataset.errors import InputError

LIBRARIES = "libgl1 libice6 libsm6 libx11-6 libxfixes3 libxi6 libxkbcommon0 libxrender1"
"""Debian packages of the system libraries that the bpy wheel links to and does not bring."""

_MARK = "device: "


def render_devices(timeout: float = 120.0) -> list[str]:
    """Names of the devices, the CPU included, best first.

    Raises:
        InputError: Blender does not start here; the message says why and what to install.
    """
    command = [sys.executable, "-m", "rendering.devices"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or [f"it ended with status {answer.returncode}"])[-1]
        raise InputError(f"Blender could not start: {reason}{library_hint(reason)}")
    marked = [line for line in answer.stdout.splitlines() if line.startswith(_MARK)]
    return [line.removeprefix(_MARK) for line in marked]


def library_hint(reason: str) -> str:
    """What to install when Blender failed for want of a system library; empty otherwise."""
    if "cannot open shared object" not in reason:
        return ""
    return f"; on Debian or Ubuntu: apt-get install {LIBRARIES}"


def _list() -> None:
    import bpy

    bpy.ops.preferences.addon_enable(module="cycles")
    preferences = bpy.context.preferences.addons["cycles"].preferences
    for kind in ("OPTIX", "CUDA", "CPU"):
        try:
            found = preferences.get_devices_for_type(kind)
        except (TypeError, ValueError):
            continue
        for device in found or []:
            if device.type == kind:
                sys.stdout.write(f"{_MARK}{kind} {device.name}\n")


if __name__ == "__main__":
    _list()

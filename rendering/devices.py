"""What Cycles can draw on here, asked of a Blender process of its own: `python -m rendering.devices` prints a line each."""

import subprocess
import sys


def render_devices(timeout: float = 120.0) -> list[str]:
    """Names of the devices, the CPU included, best first; empty when Blender does not start."""
    command = [sys.executable, "-m", "rendering.devices"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    marked = [line for line in answer.stdout.splitlines() if line.startswith(_MARK)]
    return [line.removeprefix(_MARK) for line in marked]


_MARK = "device: "


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

"""Chooses the one device that Cycles draws on, and checks that it is the one. Runs in the Blender process alone.

`python -m rendering.blender.device` prints a line for each that there is, for `rendering.devices`.
"""

import sys
from dataclasses import dataclass
from typing import Any

import bpy

from dataset.errors import InputError
from rendering.devices import GPU_KINDS, MARK, absent, parse_device


@dataclass(frozen=True)
class CyclesDevice:
    """One device, enabled alone."""

    kind: str
    name: str
    id: str

    def __str__(self) -> str:
        return self.kind if self.kind == "CPU" else f"{self.kind} {self.name}"


CPU = CyclesDevice("CPU", "CPU", "CPU")


def cycles_devices() -> list[CyclesDevice]:
    """Every GPU that Cycles can use here, the fastest way of driving it first. What a kind lacks is not tried."""
    found = []
    for kind in GPU_KINDS:
        try:
            devices = _preferences().get_devices_for_type(kind) or []
        except (TypeError, ValueError):  # this build of Blender does not know the kind
            continue
        found += [CyclesDevice(kind, device.name, device.id) for device in devices if device.type == kind]
    return found


def use_device(scene: Any, wanted: str) -> CyclesDevice:
    """Enable exactly one device: `AUTO`, `CPU`, or a kind of GPU with an optional index, such as `CUDA:1`.

    Raises:
        InputError: there is no such device.
    """
    kind, index = parse_device(wanted)
    found = cycles_devices() if kind != "CPU" else []
    matching = [device for device in found if kind in ("AUTO", device.kind)]
    if kind == "AUTO" and not matching:
        kind = "CPU"
    if kind == "CPU":
        scene.cycles.device = "CPU"
        return CPU
    if index >= len(matching):
        raise InputError(absent(wanted, [str(device) for device in found]))
    chosen = matching[index]
    preferences = _preferences()
    preferences.compute_device_type = chosen.kind
    preferences.get_devices()
    for device in preferences.devices:  # a CPU beside the GPU would be used as well, and slow it down
        device.use = device.type == chosen.kind and device.id == chosen.id
    scene.cycles.device = "GPU"
    return chosen


def drawn_on(scene: Any) -> list[str]:
    """Ids of the devices that Blender's settings make Cycles use, read back; more than one would share the work."""
    preferences = _preferences()
    if scene.cycles.device != "GPU" or not preferences.has_active_device():
        return [CPU.id]
    kind = preferences.compute_device_type
    return [device.id for device in preferences.devices if device.use and device.type in (kind, "CPU")]


def _preferences() -> Any:
    bpy.ops.preferences.addon_enable(module="cycles")
    return bpy.context.preferences.addons["cycles"].preferences


if __name__ == "__main__":
    for device in (*cycles_devices(), CPU):
        sys.stdout.write(f"{MARK}{device}\n")

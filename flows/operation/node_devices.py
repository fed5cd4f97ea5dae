"""The devices of this node that workers are started for, and how a worker is told which one is its own."""

import os
import re
import shutil
import subprocess
import sys

from dataset.errors import InputError

CPU = "cpu"
_NAMED = re.compile(r"[0-9]+|(GPU|MIG)-[0-9A-Za-z/-]+")
_PATIENCE_S = 60


def chosen_devices(wanted: str) -> tuple[str, ...]:
    """Devices by name: `cpu`, or what CUDA_VISIBLE_DEVICES takes (an index as nvidia-smi counts, GPU-…, MIG-…).

    Args:
        wanted: `auto`, `cpu` or devices with commas between.

    Raises:
        InputError: a name is none, is there twice, or counts further than this node has GPUs.
    """
    if wanted == "auto":
        return gpus() or (CPU,)
    if wanted == CPU:
        return (CPU,)
    names = tuple(name.strip() for name in wanted.split(","))
    for name in names:
        if not _NAMED.fullmatch(name):
            raise InputError(
                f"--device {wanted}: {name!r} is no device; name auto, cpu, or GPUs as in 0,1 (nvidia-smi -L)"
            )
    if len(set(names)) < len(names):
        raise InputError(f"--device {wanted}: a device is named twice; a second worker of one GPU needs its own --name")
    there = gpus()
    absent = [name for name in names if name.isdecimal() and name not in there]
    if absent:
        listed = ", ".join(there) or "none"
        raise InputError(f"--device {wanted}: GPU {absent[0]} is not here; this node's GPUs: {listed}")
    return names


def gpus() -> tuple[str, ...]:
    """This node's NVIDIA GPUs: those of CUDA_VISIBLE_DEVICES where it is set, or else as nvidia-smi or torch finds them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name for name in (part.strip() for part in visible.split(",")) if _NAMED.fullmatch(name))
    if shutil.which("nvidia-smi"):
        return _lines(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"])
    code = "import torch; print(*range(torch.cuda.device_count()), sep='\\n')"
    return _lines([sys.executable, "-c", code])  # a process of its own: torch would stay in this one's memory


def device_environment(device: str) -> dict[str, str]:
    """What a process sees of the node when a device is its own."""
    if device == CPU:
        return {"CUDA_VISIBLE_DEVICES": ""}
    # CUDA counts the fastest first by itself, nvidia-smi by place
    return {"CUDA_VISIBLE_DEVICES": device, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def device_name(device: str) -> str:
    """The device in a worker's name: `gpu0`, `cpu`, or its own name."""
    return f"gpu{device}" if device.isdecimal() else device


def _lines(command: list[str]) -> tuple[str, ...]:
    """What a command prints, a line each; nothing when it fails, as nvidia-smi does without a driver."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = (line.strip() for line in answer.stdout.splitlines()) if answer.returncode == 0 else ()
    return tuple(line for line in lines if _NAMED.fullmatch(line))

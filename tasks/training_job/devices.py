"""What trains on this node: GPUs, or processes of the CPU where there is none."""

import os
import subprocess
import sys

import torch

from dataset.errors import InputError

CPU = "cpu"
_TRIAL = "import torch; torch.ones(8, device='cuda').sum().item()"
_TRIAL_SECONDS = 120.0


def training_devices(processes: int) -> tuple[str, ...]:
    """One device for each training process, as CUDA_VISIBLE_DEVICES names them; "cpu" for each where there is no GPU.

    Args:
        processes: how many; 0: all visible GPUs, or one process on the CPU.

    Raises:
        InputError: there are fewer GPUs than processes.
    """
    count = torch.cuda.device_count()
    if count == 0:
        return (CPU,) * (processes or 1)
    if processes > count:
        raise InputError(
            f"{processes} training processes need as many GPUs, and {count} can be seen; lower `processes`, or look at "
            "CUDA_VISIBLE_DEVICES and nvidia-smi"
        )
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [name.strip() for name in named.split(",")] if named else [str(index) for index in range(count)]
    return tuple(names[: processes or count])


def fewer_devices(devices: tuple[str, ...]) -> tuple[str, ...]:
    """The devices that still answer; one less when all do. Never none: a job on its last device goes on with it."""
    answering = tuple(device for device in devices if _answers(device))
    return (answering if len(answering) < len(devices) else devices[:-1]) or devices[:1]


def device_environment(devices: tuple[str, ...]) -> dict[str, str]:
    """What makes a process see just these devices."""
    return {} if CPU in devices else {"CUDA_VISIBLE_DEVICES": ",".join(devices)}


def _answers(device: str) -> bool:
    """Whether a new process can compute on a device."""
    if device == CPU:
        return True
    environment = os.environ | device_environment((device,))
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL], env=environment, capture_output=True, timeout=_TRIAL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return trial.returncode == 0

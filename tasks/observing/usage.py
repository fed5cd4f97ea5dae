"""What a process takes of its machine: processor, memory, and the GPUs that it sees."""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from typing import Any

import psutil

_PATIENCE = 5.0
"""Seconds for nvidia-smi."""
_QUERY = ("name", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu")


class Usage:
    """Of this process and those that it started, such as Blender."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu, self._looked = self._cpu_seconds(), time.monotonic()
        self._nvidia = shutil.which("nvidia-smi")

    def now(self) -> dict[str, Any]:
        """`cpu_percent` since the last look (100 is one core), `memory_mib` resident, `gpus`."""
        cpu, looked = self._cpu_seconds(), time.monotonic()
        passed, spent = looked - self._looked, cpu - self._cpu
        self._cpu, self._looked = cpu, looked
        percent = round(100 * max(0.0, spent) / passed, 1) if passed > 0 else 0.0  # less when a child has ended
        return {"cpu_percent": percent, "memory_mib": self._memory() >> 20, "gpus": self._gpus()}

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._family():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _memory(self) -> int:
        total = 0
        for process in self._family():
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def _gpus(self) -> list[dict[str, Any]]:
        """As nvidia-smi has them; one that fails, as without a driver, is not asked again."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if not self._nvidia or visible == "":
            return []
        chosen = ["-i", visible] if visible else []
        command = [self._nvidia, *chosen, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True)
        except (OSError, subprocess.SubprocessError):
            self._nvidia = None
            return []
        return [_gpu(line) for line in answer.stdout.splitlines() if line.count(",") == len(_QUERY) - 1]


def _gpu(line: str) -> dict[str, Any]:
    name, use, used, total, temperature = (part.strip() for part in line.split(","))
    return {
        "name": name,
        "use_percent": _number(use),
        "memory_mib": _number(used),
        "of_mib": _number(total),
        "temperature_c": _number(temperature),
    }


def _number(text: str) -> int | None:
    """None for what the device does not tell."""
    return int(text) if text.isdecimal() else None

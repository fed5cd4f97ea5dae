"""What the machine can draw on, and what is said when Blender cannot start."""

import sys

import pytest

from dataset.errors import InputError
from rendering import devices
from rendering.devices import library_hint, render_devices


def test_the_cpu_is_always_among_the_devices():
    assert any(device.startswith("CPU") for device in render_devices())


def test_a_missing_system_library_names_the_packages(monkeypatch, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: libXi.so.6: cannot open shared object file' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(InputError, match=r"libXi\.so\.6.*apt-get install .*libxi6"):
        devices.render_devices()


def test_other_failures_get_no_false_advice():
    assert library_hint("RuntimeError: something else") == ""


def test_a_device_that_is_absent_is_one_sentence(monkeypatch):
    monkeypatch.setattr(devices, "render_devices", lambda: ["OPTIX NVIDIA H100", "CUDA NVIDIA H100", "CPU"])
    assert devices.device_fault("CUDA") is None and devices.device_fault("OPTIX:0") is None
    assert "render_device is HIP, but Blender finds OPTIX NVIDIA H100, CUDA" in devices.device_fault("HIP")
    assert "render_device is CUDA:1" in devices.device_fault("CUDA:1")


def test_what_needs_no_gpu_starts_nothing(monkeypatch):
    monkeypatch.setattr(devices, "render_devices", lambda: pytest.fail("Blender was started"))
    assert devices.device_fault("CPU") is None and devices.device_fault("AUTO") is None


@pytest.mark.render
def test_a_gpu_that_is_not_here_is_named_before_work_begins():
    fault = devices.device_fault("METAL")
    assert "machine.render_device is METAL" in fault and "choose device AUTO or CPU" in fault

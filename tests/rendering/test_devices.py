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

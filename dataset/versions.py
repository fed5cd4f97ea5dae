"""Which program made a dataset: its own version and those of the libraries that decide its content."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = "render-ih"
COMMIT = "RENDER_IH_COMMIT"
"""Environment variable that an image is built with."""
LIBRARIES = ("numpy", "torch", "pyarrow", "pillow", "bpy", "trimesh")


@cache
def code_version() -> str:
    """Package version, followed by the commit: of the git checkout, or as `RENDER_IH_COMMIT` says where there is none."""
    described = _git_describe() or os.environ.get(COMMIT, "")
    return _version(PACKAGE) + (f"+{described}" if described else "")


@cache
def library_versions() -> dict[str, str]:
    """Name to version of Python and the libraries above; "absent" where one is not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent" if name != PACKAGE else "0"


def _git_describe() -> str:
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--tags"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""

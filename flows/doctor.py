"""What this machine can do: a list of findings, each with the way to mend it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dataset.errors import InputError


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    detail: str
    optional: bool = False
    """Whether everything works without it."""


def examine(mano: Path | None = None, out: Path = Path()) -> list[Finding]:
    """All findings, in the order of the pipeline."""
    return [*_packages(), _torch(), _blender(), _hands(mano), _gestures(), _environments(), _disk(out), _prefect()]


def _packages() -> Iterator[Finding]:
    version = sys.version_info
    yield Finding("Python", version[:2] == (3, 11), f"{version.major}.{version.minor} (bpy needs 3.11)")
    for name in ("bpy", "torch", "warp-lang", "pyarrow", "prefect", "pysdf"):
        try:
            yield Finding(name, True, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, False, "not installed; run `make setup`")


def _torch() -> Finding:
    import torch

    from hands.kernels import device_fault

    fault = device_fault("cuda")
    detail = fault or f"{torch.cuda.get_device_name(0)} (--set machine.optimise_device=cuda)"
    return Finding("GPU for poses", fault is None, detail, optional=True)


def _blender() -> Finding:
    from rendering.devices import render_devices

    try:
        devices = render_devices()
    except InputError as error:
        return Finding("Blender", False, str(error))
    has_gpu = any(not device.startswith("CPU") for device in devices)
    return Finding("GPU for rendering", has_gpu, "Cycles can use " + ", ".join(devices), optional=True)


def _hands(mano: Path | None) -> Finding:
    from dataset.assets.hand_files import load_hands

    if mano is None:
        return Finding("MANO", False, "not given (--mano DIR); the built-in free hand is used", optional=True)
    return _try(
        "MANO", lambda: "; ".join(hand.arrays.notes.get("file", str(side)) for side, hand in load_hands(mano).items())
    )


def _gestures() -> Finding:
    from dataset.assets.gestures import load_gestures

    return _try("gestures", lambda: f"{len(load_gestures())} built in")


def _environments() -> Finding:
    from dataset.assets.environments import check, read_environments

    def count() -> str:
        here = [entry for entry in read_environments() if entry.path().is_file()]
        for entry in here:
            check(entry)
        return f"{len(here)} of {len(read_environments())} here and whole"

    return _try("environments", count)


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except InputError as error:
        return Finding(what, False, str(error))


def _disk(out: Path) -> Finding:
    free = shutil.disk_usage(out).free / 1e9
    return Finding("disk", free > 1, f"{free:.0f} GB free here; an image with its labels takes about 0.2 MB")


def _prefect() -> Finding:
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    detail = (
        url or "no server configured (PREFECT_API_URL); `render-ih run` needs none, `render-ih server` shows its runs"
    )
    return Finding("Prefect server", url is not None, detail, optional=True)

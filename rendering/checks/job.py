"""Whether a job can be drawn at all: looked at before it goes to Blender, which would draw nonsense or die."""

import math
from pathlib import Path

import numpy as np

from hands.joints import Side
from rendering.failures import Failure, RenderError
from rendering.job import RenderJob

MAGIC = {".exr": (b"\x76\x2f\x31\x01",), ".hdr": (b"#?RADIANCE", b"#?RGBE")}
REACH = 10.0
"""Metres from the origin within which hands lie."""


def check_job(job: RenderJob, counts: dict[Side, int]) -> None:
    """Refuse a job that is no picture; `counts` are the vertices of each hand's surface.

    Raises:
        RenderError: bad input, or environment refused.
    """
    for side, vertices in ((Side.RIGHT, job.right), (Side.LEFT, job.left)):
        _check_vertices(side, vertices, counts[side])
    numbers = (
        job.hdri_rotation,
        job.hdri_strength,
        job.exposure,
        *job.camera.K.ravel(),
        *job.camera.R.ravel(),
        *job.camera.t,
    )
    if not all(math.isfinite(number) for number in numbers):
        raise RenderError(Failure.BAD_INPUT, "camera or light has a value that is no finite number")
    check_hdri(job.hdri)


def _check_vertices(side: Side, vertices: np.ndarray, count: int) -> None:
    if vertices.shape != (count, 3):
        raise RenderError(Failure.BAD_INPUT, f"the {side} hand has {len(vertices)} vertices, the scene's {count}")
    wrong = int((~np.isfinite(vertices)).any(axis=1).sum())
    if wrong:
        raise RenderError(Failure.BAD_INPUT, f"{wrong} vertices of the {side} hand are not finite", wrong)
    reach = float(np.abs(vertices).max())
    if reach > REACH:
        raise RenderError(Failure.BAD_INPUT, f"the {side} hand reaches {reach:.3g} m from the origin", reach, REACH)


def check_hdri(path: Path) -> None:
    """Refuse a missing or damaged environment map before it reaches Blender, which would draw pink.

    Raises:
        RenderError: environment refused; says which file and what to do.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise _refusal(path, f"cannot be read ({error.strerror})") from None
    known = MAGIC.get(path.suffix.lower())
    if known is None:
        raise _refusal(path, "is neither an .exr nor a .hdr file")
    if not start.startswith(known):
        raise _refusal(path, "is damaged or misnamed")


def _refusal(path: Path, what: str) -> RenderError:
    advice = "replace the file (bundled ones: reinstall bpy)"
    return RenderError(Failure.ENVIRONMENT, f"{path}: this environment map {what}; {advice}")

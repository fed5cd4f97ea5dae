"""A stand-in for the authors' recipe: one image by a process of its own, `python -m benchmarks.render_baseline.recipe`.

As they release it: a new Blender for each image, 256 samples a pixel, no denoiser, no data kept, a Catmull-Clark modifier
of level 3 on both 778-vertex hands, everything loaded again, a PNG written. What is seen is our surface with our skin, so
that both ways have one reference; the authors' subdivided hands are computed and handed to Cycles as well, but no ray
sees them, so the picture pays for them without showing them.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.render_baseline.scenes import Scene
from hands.joints import Side
from rendering.messages import pack_job, read_message, unpack_job, write_message

SAMPLES = 256
LEVELS = 3


def render_as_released(
    scene: Scene,
    arrays: dict[Side, dict[str, np.ndarray]],
    faces: np.ndarray,
    device: str,
    samples: int,
    adaptive: float = 0.0,
) -> tuple[np.ndarray, float]:
    """The picture and the seconds from the process's start to its end; `faces` are the hand model's own.

    `adaptive`: noise threshold of adaptive sampling, 0 for none (the release does not say; Blender's default is 0.01).
    """
    header, job = pack_job(scene.job)
    extra = {f"surface/{side}/{name}": value for side, given in arrays.items() for name, value in given.items()}
    extra |= {f"coarse/{side}": vertices for side, vertices in scene.coarse.items()} | {"faces": faces}
    with tempfile.TemporaryDirectory() as folder:
        request, picture = Path(folder) / "request", Path(folder) / "picture.png"
        with request.open("wb") as file:
            write_message(
                file, {"job": header, "device": device, "samples": samples, "adaptive": adaptive}, job | extra
            )
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.render_baseline.recipe", str(request), str(picture)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        if not picture.exists():
            raise RuntimeError(f"the baseline made no picture: {answer.stderr[-500:]}")
        return np.asarray(Image.open(picture).convert("RGB")), seconds


def _draw(request: Path, picture: Path) -> None:
    with request.open("rb") as file:
        header, arrays = read_message(file)
    import bpy

    from rendering.blender.scene import HandScene

    built: dict[Side, dict[str, np.ndarray]] = {side: {} for side in Side}
    for name in [name for name in arrays if name.startswith("surface/")]:
        _, side, attribute = name.split("/")
        built[Side(side)][attribute] = arrays.pop(name)
    coarse = {side: arrays.pop(f"coarse/{side}") for side in Side}
    faces = arrays.pop("faces")
    scene = HandScene(built, header["device"])
    for side in Side:
        _add_subdivided(bpy, scene.scene, coarse[side], faces)
    _as_released(scene.scene, header["adaptive"])
    job = unpack_job(header["job"], arrays)
    object.__setattr__(job, "samples", header["samples"])
    object.__setattr__(job, "denoise", False)
    picture.write_bytes(scene.render(job).png)


def _as_released(scene: object, adaptive: float) -> None:
    """What the release sets, and Blender's defaults where they are known to it alone."""
    scene.render.use_persistent_data = False
    scene.cycles.use_adaptive_sampling, scene.cycles.adaptive_threshold = adaptive > 0, adaptive
    scene.cycles.sampling_pattern = "AUTOMATIC"
    scene.world.cycles.sampling_method = "AUTOMATIC"


def _add_subdivided(bpy: object, scene: object, vertices: np.ndarray, faces: np.ndarray) -> None:
    mesh = bpy.data.meshes.new("coarse")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    hand = bpy.data.objects.new("coarse", mesh)
    scene.collection.objects.link(hand)
    modifier = hand.modifiers.new("subdivision", "SUBSURF")
    modifier.subdivision_type, modifier.levels, modifier.render_levels = "CATMULL_CLARK", LEVELS, LEVELS
    for ray in ("camera", "diffuse", "glossy", "transmission", "shadow", "volume_scatter"):
        setattr(hand, f"visible_{ray}", False)


if __name__ == "__main__":
    _draw(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # what is left to be freed is the operating system's

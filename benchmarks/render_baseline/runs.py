"""Renders one scene in many ways, in this process, and keeps what is expensive: references come from files when they can."""

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.render_baseline.scenes import Scene, Scenes
from rendering.failures import RenderError
from rendering.job import RenderedImage

REFERENCE_SEED = 987_654
"""Another one than any image's: noise that both share would count as agreement."""


@dataclass(frozen=True)
class Recipe:
    """How an image is sampled and denoised."""

    samples: int
    quality: str = ""
    """FAST, BALANCED or HIGH; empty: no denoiser."""
    prefilter: str = ""
    """NONE, FAST or ACCURATE."""

    def __str__(self) -> str:
        denoiser = f"OIDN {self.quality.lower()}, prefilter {self.prefilter.lower()}" if self.quality else "no denoiser"
        return f"{self.samples:4d} samples, {denoiser}"


class Bench:
    """One `HandScene` that all renders share, as a run's images do."""

    def __init__(self, scenes: Scenes, device: str) -> None:
        from rendering.blender.scene import HandScene  # starts Blender

        self.scene: Any = HandScene(scenes.arrays(), device)

    @property
    def cycles(self) -> Any:
        """Cycles' settings; asked for anew each time, because Blender moves them when one is set for the first time."""
        return self.scene.scene.cycles

    def draw(self, scene: Scene, recipe: Recipe, seed: int | None = None) -> tuple[RenderedImage, float]:
        """The picture and the seconds it took, its file included."""
        if recipe.quality:
            self.cycles.denoising_quality, self.cycles.denoising_prefilter = recipe.quality, recipe.prefilter
        job = replace(scene.job, samples=recipe.samples, denoise=bool(recipe.quality))
        started = time.perf_counter()
        image = self.scene.render(job if seed is None else replace(job, seed=seed))
        assert image.png  # the baseline writes its file too
        return image, time.perf_counter() - started

    def default(self) -> tuple[str, str]:
        """Quality and prefilter that runs use."""
        return self.cycles.denoising_quality, self.cycles.denoising_prefilter

    def reference(self, scene: Scene, samples: int, folder: Path) -> np.ndarray:
        """The scene without noise: many samples for every pixel, no denoiser. Kept in `folder`."""
        file = folder / f"{scene.name}-{samples}-{self._fingerprint(scene)}.npz"
        if file.is_file():
            return np.load(file)["pixels"]
        self.cycles.use_adaptive_sampling = False
        try:
            pixels = self.draw(scene, Recipe(samples), REFERENCE_SEED)[0].pixels
        finally:
            self.cycles.use_adaptive_sampling = True
        folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npz")
        np.savez_compressed(partial, pixels=pixels)
        partial.replace(file)
        return pixels

    def _fingerprint(self, scene: Scene) -> str:
        """Changes with the geometry, the skins, the camera and everything else that one sample shows."""
        try:
            look = self.draw(scene, Recipe(1))[0].pixels.tobytes()
        except RenderError as error:
            raise RuntimeError(f"{scene.name}: {error}") from error
        return hashlib.sha256(look).hexdigest()[:10]


def sample_counts(bench: Bench, scene: Scene, samples: int) -> np.ndarray:
    """Samples that each pixel got (h, w), from Cycles' own debug pass."""
    import bpy

    layer, tree, folder = (
        bench.scene.scene.view_layers[0],
        bench.scene.scene.node_tree,
        Path(bench.scene.capture.folder.name),
    )
    layer.cycles.pass_debug_sample_count = True
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.base_path, node.format.file_format, node.format.color_depth = str(folder), "OPEN_EXR", "32"
    node.file_slots[0].path = "counted"
    source = next(n for n in tree.nodes if n.bl_idname == "CompositorNodeRLayers")
    tree.links.new(source.outputs["Debug Sample Count"], node.inputs[0])
    try:
        bench.draw(scene, Recipe(samples, *bench.default()))
        file = next(folder.glob("counted*"))
        image = bpy.data.images.load(str(file))
        width, height = image.size
        values = np.empty(width * height * 4, dtype=np.float32)
        image.pixels.foreach_get(values)
        bpy.data.images.remove(image)
        file.unlink()
    finally:
        tree.nodes.remove(node)
        layer.cycles.pass_debug_sample_count = False
    return samples * values.reshape(height, width, 4)[::-1, :, 0]  # Cycles gives shares of the largest number

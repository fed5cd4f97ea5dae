"""The world around the hands: an environment map, judged and metered when it is loaded. In the Blender process alone."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from rendering.checks.environment import judge
from rendering.failures import Failure, RenderError
from rendering.skin.pictures import is_skin_texture

METERED_RADIANCE = 0.75
"""Mean radiance of an environment that needs no correction."""
METERING = 0.85
"""1 would make noon and night equally bright."""
IMPORTANCE_MAP = 1024
"""Columns of Cycles' importance map: more of them mean less noise, but the map is made anew for each image."""


class Lighting:
    """The scene's world; it holds one map at a time, so that memory stays bounded."""

    def __init__(self, scene: Any) -> None:
        world = bpy.data.worlds.new("environment")
        scene.world, world.use_nodes = world, True
        world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", IMPORTANCE_MAP
        tree = world.node_tree
        self.background = tree.nodes["Background"]
        self.texture = tree.nodes.new("ShaderNodeTexEnvironment")
        self.texture.interpolation = "Cubic"  # small maps would show their texels behind the hands
        self.mapping, position = tree.nodes.new("ShaderNodeMapping"), tree.nodes.new("ShaderNodeTexCoord")
        tree.links.new(position.outputs["Generated"], self.mapping.inputs["Vector"])
        tree.links.new(self.mapping.outputs["Vector"], self.texture.inputs["Vector"])
        tree.links.new(self.texture.outputs["Color"], self.background.inputs["Color"])
        self.path: Path | None = None
        self.metered = 1.0

    def load(self, path: Path) -> None:
        """Make a map the world's, unless it is already.

        Raises:
            RenderError: Blender cannot read it, or it is no picture of a surrounding.
        """
        if path == self.path:
            return
        self._drop()
        image = bpy.data.images.load(str(path))
        if len(image.pixels) == 0 or not image.has_data:
            bpy.data.images.remove(image)
            raise RenderError(
                Failure.ENVIRONMENT, f"{path}: Blender cannot read this environment map; download it again or remove it"
            )
        image.colorspace_settings.name = "Linear Rec.709"
        self.texture.image = image
        mean = judge(_radiance(image), path)
        self.path, self.metered = path, (METERED_RADIANCE / mean) ** METERING

    def set(self, rotation: float, strength: float) -> None:
        """Turn the world about the vertical axis (radians); its brightness relative to the metered one."""
        self.mapping.inputs["Rotation"].default_value[2] = rotation
        self.background.inputs["Strength"].default_value = strength * self.metered

    def _drop(self) -> None:
        self.path = None
        for image in [i for i in bpy.data.images if i.source == "FILE" and not is_skin_texture(i)]:
            bpy.data.images.remove(image)


def _radiance(image: Any) -> np.ndarray:
    width, height = image.size
    pixels = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)[..., :3]

"""What one image needs, and what comes back. No Blender here."""

from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from hands.camera import Camera
from rendering.skin.skins import Skin


@dataclass(frozen=True, eq=False)
class RenderJob:
    """Everything that decides one image; equal jobs give equal pixels on one device."""

    right: Float[np.ndarray, "n 3"]
    """Fine vertices of the right hand (`HandSurface.vertices`), world, metres."""
    left: Float[np.ndarray, "n 3"]
    camera: Camera
    hdri: Path
    """Environment map, OpenEXR or Radiance HDR, equirectangular."""
    hdri_rotation: float
    """Radians about the world's z axis."""
    hdri_strength: float
    """Factor on the environment's radiance after metering (the scene first brings any map to a usual brightness)."""
    exposure: float
    """Stops added by the photographer."""
    skin_right: Skin
    skin_left: Skin
    samples: int = 16
    denoise: bool = True
    seed: int = 0


@dataclass(frozen=True, eq=False)
class RenderedImage:
    """One image as Cycles drew it."""

    pixels: UInt8[np.ndarray, "h w 3"]
    """8-bit sRGB."""
    hands: UInt8[np.ndarray, "h w"]
    """0 none, 1 right, 2 left: whichever covers most of the pixel in Cycles' own coverage pass of the same render."""
    seconds: float
    """From the job's arrival in the Blender process to its pixels."""
    device: str
    """Where it was drawn: CPU, CUDA, OPTIX, HIP … with the device's name."""
    bpy_version: str
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage, see `rendering.stages`."""

    @cached_property
    def png(self) -> bytes:
        """The picture as a file; encoded when it is first asked for, so that the Blender process need not."""
        buffer = BytesIO()
        Image.fromarray(self.pixels).save(buffer, format="PNG", compress_level=6)
        return buffer.getvalue()

"""Takes from one render the picture, what each hand covers, whether every value is a number, and Cycles' own clock.

Blender colours and writes the picture; a second file carries two shares of coverage and, as its blue channel, the
check: the compositor computes x − x of the floating-point picture, which is 0 for numbers alone. So the values that an
8-bit picture hides are seen without writing a floating-point file. Runs in the Blender process alone.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rendering.failures import Failure, RenderError
from rendering.skin.material import COVERAGE_PASS
from rendering.stages import cycles_seconds

LEVELS = 255


class Captured(NamedTuple):
    """What came out of one render."""

    pixels: UInt8[np.ndarray, "h w 3"]
    hands: UInt8[np.ndarray, "h w"]
    sync: float
    """Cycles' own seconds before its first sample."""
    render: float
    """Cycles' own seconds of tracing and denoising."""


ROOM = 32 << 20
"""Bytes: where less is free, a picture that is not whole was cut by a full disk."""


class Capture:
    """The scene's outputs."""

    def __init__(self, scene: Any) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="render-ih-")
        image = scene.render.image_settings
        image.file_format, image.color_mode, image.compression = "PNG", "RGB", 0
        scene.render.dither_intensity = 0.0
        scene.render.filepath = str(Path(self.folder.name) / "picture.png")
        coverage = scene.view_layers[0].aovs.add()
        coverage.name, coverage.type = COVERAGE_PASS, "COLOR"
        scene.use_nodes = True
        self._compose(scene.node_tree)

    def _compose(self, tree: Any) -> None:
        tree.nodes.clear()
        layers, picture = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeComposite")
        masks = tree.nodes.new("CompositorNodeOutputFile")
        masks.base_path = self.folder.name
        masks.format.file_format, masks.format.color_mode, masks.format.compression = "PNG", "RGB", 0
        # shares are numbers: no view transform, exposure or sRGB curve may touch them
        masks.format.color_management, masks.format.view_settings.view_transform = "OVERRIDE", "Raw"
        masks.format.view_settings.look, masks.format.view_settings.exposure = "None", 0.0
        masks.file_slots[0].path = "coverage"
        split, join = tree.nodes.new("CompositorNodeSeparateColor"), tree.nodes.new("CompositorNodeCombineColor")
        tree.links.new(layers.outputs["Image"], picture.inputs["Image"])
        tree.links.new(layers.outputs[COVERAGE_PASS], split.inputs[0])
        for channel in (0, 1):
            tree.links.new(split.outputs[channel], join.inputs[channel])
        tree.links.new(_finite(tree, layers.outputs["Image"]), join.inputs[2])
        tree.links.new(join.outputs[0], masks.inputs[0])

    def read(self) -> Captured:
        """What the render that just ended wrote; the files are removed.

        Raises:
            RenderError: there is no picture, or the disk is full, or it holds values that are no numbers.
        """
        folder = Path(self.folder.name)
        picture, coverage = folder / "picture.png", next(folder.glob("coverage*.png"), None)
        try:
            with Image.open(picture) as file:
                pixels, told = np.array(file.convert("RGB")), dict(file.info)
            with Image.open(coverage or picture.with_name("coverage")) as file:
                shares = np.array(file.convert("RGB"))
        except (OSError, SyntaxError) as error:
            if shutil.disk_usage(folder).free < ROOM:
                place = f"no space left for a picture in {folder.parent}; free some, or set TMPDIR"
                raise RenderError(Failure.NO_SPACE, place) from error
            raise RenderError(Failure.CYCLES, "no whole picture was written") from error
        picture.unlink(), coverage.unlink()
        wrong = int((shares[..., 2] < LEVELS).sum())
        if wrong:
            raise RenderError(Failure.BAD_PICTURE, f"{wrong} pixels are infinite or no numbers", wrong)
        return Captured(pixels, most_covering(shares[..., :2]), _clock(told, "synchronization"), _clock(told, "render"))


def most_covering(shares: UInt8[np.ndarray, "h w 2"]) -> UInt8[np.ndarray, "h w"]:
    """Which of none, right and left fills most of a pixel, from the shares (0–255) of right and left."""
    right, left = shares[..., 0].astype(np.int16), shares[..., 1].astype(np.int16)
    return np.stack([LEVELS - right - left, right, left]).argmax(axis=0).astype(np.uint8)


def _finite(tree: Any, image: Any) -> Any:
    """1 where the sum of a pixel's channels is a finite number, 0 elsewhere."""
    split = tree.nodes.new("CompositorNodeSeparateColor")
    tree.links.new(image, split.inputs[0])
    rest = _maths(tree, "ADD", split.outputs[0], split.outputs[1])
    total = _maths(tree, "ADD", rest, split.outputs[2])
    zero = _maths(tree, "SUBTRACT", total, total)
    same = _maths(tree, "COMPARE", zero, None)
    same.node.inputs[1].default_value = same.node.inputs[2].default_value = 0.0
    return same


def _maths(tree: Any, operation: str, left: Any, right: Any) -> Any:
    node = tree.nodes.new("CompositorNodeMath")
    node.operation = operation
    tree.links.new(left, node.inputs[0])
    if right is not None:
        tree.links.new(right, node.inputs[1])
    return node.outputs[0]


def _clock(told: dict[Any, Any], what: str) -> float:
    """Cycles writes its durations into the picture's header, one a view layer."""
    names = [name for name in map(str, told) if name.startswith("cycles.") and name.endswith(f".{what}_time")]
    return sum(cycles_seconds(str(told[name])) for name in names)

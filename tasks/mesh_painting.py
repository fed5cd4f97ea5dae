"""Shaded surfaces painted in milliseconds, for looks at a training; pictures to show are the renderer's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from PIL import ImageDraw

COLOURS = ((222, 170, 140), (140, 175, 222))
"""Right hand, left hand."""


class Faces(NamedTuple):
    """Triangles as they are painted."""

    places: Float[np.ndarray, "f 3 2"]
    """Pixels."""
    depth: Float[np.ndarray, "f"]
    """The deepest are painted first."""
    colours: Int[np.ndarray, "f 3"]


def shaded(
    corners: Float[np.ndarray, "f 3 3"], colour: tuple[int, int, int], light: Float[np.ndarray, "3"]
) -> Int[np.ndarray, "f 3"]:
    """The colour of each triangle, lit from the direction `light` (length 1) and a little from everywhere."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    return np.outer(0.45 + 0.55 * np.clip(normal @ light, 0, 1), colour).astype(int)


def paint(pen: ImageDraw.ImageDraw, surfaces: Sequence[Faces]) -> None:
    """All surfaces together, from back to front."""
    places, depth, colours = (np.concatenate(part) for part in zip(*surfaces, strict=True))
    for face in np.argsort(-depth, kind="stable"):
        pen.polygon([tuple(corner) for corner in places[face].tolist()], fill=tuple(colours[face].tolist()))

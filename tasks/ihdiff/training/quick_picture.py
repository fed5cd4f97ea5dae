"""A picture of two hands alone in milliseconds, for looks at a training; pictures to show are the renderer's."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from PIL import Image, ImageDraw

from tasks.mesh_painting import COLOURS, Faces, paint, shaded

_LIGHT = np.array([0.3, -0.5, 0.81])


def quick_picture(
    meshes: Sequence[tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]], size: int = 240, views: int = 2
) -> bytes:
    """PNG of the meshes from `views` sides next to each other, parallel projection, faces painted from back to front."""
    picture = Image.new("RGB", (size * views, size), "white")
    points = np.concatenate([vertices for vertices, _ in meshes])
    centre, reach = (points.max(0) + points.min(0)) / 2, float(np.ptp(points, axis=0).max()) / 2 * 1.15 or 1.0
    pen = ImageDraw.Draw(picture)
    for view in range(views):
        turn = _about_y(np.pi * view / views)
        surfaces = []
        for (vertices, faces), colour in zip(meshes, COLOURS, strict=False):
            corners = ((vertices - centre) @ turn.T)[faces]
            flat = size / 2 + corners[..., :2] * [size / 2 / reach, -size / 2 / reach] + [view * size, 0]
            surfaces.append(Faces(flat, -corners[..., 2].mean(1), shaded(corners, colour, _LIGHT)))
        paint(pen, surfaces)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _about_y(angle: float) -> Float[np.ndarray, "3 3"]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])

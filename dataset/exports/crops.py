"""Square cuts around both hands, and the camera that sees them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image


@dataclass(frozen=True)
class Square:
    """A square of an image, in pixels; it may reach beyond the image."""

    left: float
    top: float
    side: float

    @classmethod
    def around(cls, points: Float[np.ndarray, "n 2"], share: float) -> "Square":
        """The square with the same centre as the points' box, whose longer side is that share of the square's."""
        low, high = points.min(0), points.max(0)
        side = float((high - low).max()) / share
        left, top = (low + high - side) / 2
        return cls(float(left), float(top), side)

    def cut(self, picture: Image.Image, size: int) -> Image.Image:
        """What the square shows, `size` pixels wide; black beyond the picture."""
        # Where many pixels become one, their mean comes first: interpolation alone would leave most of them out.
        factor = max(int(self.side / size), 1)
        scale, reduced = self.side / size / factor, picture.reduce(factor) if factor > 1 else picture
        placed = (scale, 0.0, self.left / factor, 0.0, scale, self.top / factor)
        return reduced.transform((size, size), Image.Transform.AFFINE, placed, Image.Resampling.BILINEAR)

    def seen_by(self, K: Float[np.ndarray, "3 3"], size: int) -> Float[np.ndarray, "3 3"]:
        """The intrinsic matrix with which points fall on the cut where they are in the image."""
        scale = size / self.side
        moved = np.array([[scale, 0, -scale * self.left], [0, scale, -scale * self.top], [0, 0, 1.0]])
        return moved @ K

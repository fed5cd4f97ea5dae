"""Pinhole cameras. OpenCV axes (x right, y down, z forward), metres, pixels; `x_cam = R · x_world + t`.

Pixel (0, 0) covers the square [0, 1) × [0, 1): its centre is at (0.5, 0.5), the image centre at (width/2, height/2).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Camera:
    """One calibrated view."""

    K: Float[np.ndarray, "3 3"]
    """Intrinsics in pixels, no skew."""
    R: Float[np.ndarray, "3 3"]
    """World to camera rotation."""
    t: Float[np.ndarray, "3"]
    """World to camera translation, metres."""
    width: int
    height: int

    @property
    def position(self) -> Float[np.ndarray, "3"]:
        """Camera centre in the world, metres."""
        return -self.R.T @ self.t

    def to_camera(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
        """World points in the camera frame, metres."""
        return points @ self.R.T + self.t

    def project(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 2"]:
        """Camera-frame points (metres, z > 0) to pixels."""
        uvw = points @ self.K.T
        return uvw[..., :2] / uvw[..., 2:]

    def pixel_rays(self) -> Float[np.ndarray, "p 3"]:
        """World direction through each pixel centre, row by row, scaled so that camera depth grows by 1 per unit."""
        (fx, _, cx), (_, fy, cy), _ = self.K
        x = (np.arange(self.width) + 0.5 - cx) / fx
        y = (np.arange(self.height) + 0.5 - cy) / fy
        right, down, forward = self.R
        return (x[None, :, None] * right + y[:, None, None] * down + forward).reshape(-1, 3)


def look_at(
    eye: Float[np.ndarray, "3"],
    target: Float[np.ndarray, "3"],
    up: Float[np.ndarray, "3"],
    roll: float,
    vertical_fov: float,
    width: int,
    height: int,
) -> Camera:
    """A camera at `eye` that sees `target` in the image centre (metres; `roll` and `vertical_fov` in radians)."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = math.cos(roll), math.sin(roll)
    R = np.stack([cos * right + sin * down, -sin * right + cos * down, forward])
    focal = height / 2 / math.tan(vertical_fov / 2)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Camera(K, R, -R @ eye, width, height)

"""A z-buffer for triangle meshes: another way than casting rays to know what a camera's pixels see.

Triangles are projected by the pinhole model, pixels' centres are tested with edge functions, and depth follows from 1/z,
which is linear in the image. Written from the formulas of Pineda (1988), in float64, with nothing of `rendering`.
"""

import numpy as np
from jaxtyping import Float, Int

from hands.camera import Camera

NEAR = 1e-3
"""Triangles are cut at this distance from the camera, metres."""


def rasterise(
    vertices: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "m 3"], camera: Camera
) -> tuple[Int[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """The nearest triangle (-1 for none) and its depth in metres (infinite for none) at every pixel's centre."""
    corners, owner = clip(camera.to_camera(np.asarray(vertices, dtype=np.float64))[faces])
    pixel, depth, triangle = _fragments(corners, camera)
    order = np.lexsort((depth, pixel))
    pixel, depth, triangle = pixel[order], depth[order], triangle[order]
    first = np.flatnonzero(np.r_[True, pixel[1:] != pixel[:-1]]) if len(pixel) else np.zeros(0, dtype=int)
    size = camera.width * camera.height
    face, nearest = np.full(size, -1), np.full(size, np.inf)
    face[pixel[first]], nearest[pixel[first]] = owner[triangle[first]], depth[first]
    return face.reshape(camera.height, camera.width), nearest.reshape(camera.height, camera.width)


def clip(corners: Float[np.ndarray, "m 3 3"]) -> tuple[Float[np.ndarray, "k 3 3"], Int[np.ndarray, "k"]]:
    """Triangles in front of the camera, those that reach behind it cut (Sutherland–Hodgman); and which each came from."""
    behind = (corners[..., 2] < NEAR).sum(1)
    kept, owner = [corners[behind == 0]], [np.flatnonzero(behind == 0)]
    for number in np.flatnonzero((behind > 0) & (behind < 3)):
        polygon = _cut(corners[number])
        kept += [np.stack([polygon[0], polygon[k], polygon[k + 1]])[None] for k in range(1, len(polygon) - 1)]
        owner += [np.array([number])] * (len(polygon) - 2)
    return np.concatenate(kept), np.concatenate(owner)


def _cut(triangle: Float[np.ndarray, "3 3"]) -> list[Float[np.ndarray, "3"]]:
    polygon = []
    for a, b in zip(triangle, np.roll(triangle, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            polygon.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            polygon.append(a + (NEAR - a[2]) / (b[2] - a[2]) * (b - a))
    return polygon


def _fragments(corners: Float[np.ndarray, "m 3 3"], camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel number, depth and triangle of every centre that a triangle covers."""
    points = camera.project(corners)
    size = np.array([camera.width, camera.height])
    low = np.ceil(points.min(1) - 0.5).clip(0, size).astype(int)
    high = (np.floor(points.max(1) - 0.5) + 1).clip(0, size).astype(int)
    extent = (high - low).clip(0)
    count = extent.prod(1)
    triangle = np.repeat(np.arange(len(corners)), count)
    within = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    column = low[triangle, 0] + within % extent[triangle, 0].clip(1)
    row = low[triangle, 1] + within // extent[triangle, 0].clip(1)
    shares = _shares(points[triangle], np.stack([column, row], axis=1) + 0.5)
    inside = (shares >= 0).all(1)
    inverse = (shares / corners[triangle][..., 2]).sum(1)
    return (row * camera.width + column)[inside], 1 / inverse[inside], triangle[inside]


def _shares(triangle: Float[np.ndarray, "k 3 2"], point: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k 3"]:
    """Barycentric coordinates in the image; negative outside, -1 for triangles seen edge-on."""
    a, b, c = triangle.transpose(1, 0, 2)
    edges = np.stack([_cross(b, c, point), _cross(c, a, point), _cross(a, b, point)], axis=1)
    area = edges.sum(1, keepdims=True)
    return np.where(area == 0, -1.0, edges / np.where(area == 0, 1.0, area))


def _cross(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    return (b[:, 0] - a[:, 0]) * (p[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (p[:, 0] - a[:, 0])

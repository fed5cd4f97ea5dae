"""What each pixel of a camera sees of a triangle mesh, by rays through the pixels' centres (Embree finds the triangle)."""

from dataclasses import dataclass

import numpy as np
import trimesh
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Int

from hands.camera import Camera


@dataclass(frozen=True, eq=False)
class View:
    """One mesh seen by one camera; a pixel without a hit has face -1 and infinite depth."""

    face: Int[np.ndarray, "h w"]
    depth: Float[np.ndarray, "h w"]
    """Metres along the optical axis."""

    @property
    def hit(self) -> Bool[np.ndarray, "h w"]:
        """Where the mesh is seen."""
        return self.face >= 0


class Sight:
    """What cameras see of a closed surface, in single precision: enough to judge a view, half the time of `cast`."""

    def __init__(self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> None:
        self._scene = EmbreeScene()
        TriangleMesh(scene=self._scene, vertices=vertices.astype(np.float32), indices=faces.astype(np.int32))

    def first_faces(self, origin: Float[np.ndarray, "3"], rays: Float[np.ndarray, "p 3"]) -> Int[np.ndarray, "p"]:
        """The first triangle on each ray, -1 where there is none."""
        origins = np.broadcast_to(origin.astype(np.float32), rays.shape)
        return self._scene.run(np.ascontiguousarray(origins), rays.astype(np.float32))


def cast(mesh: trimesh.Trimesh, camera: Camera, only: Bool[np.ndarray, "h w"] | None = None) -> View:
    """The first triangle behind every pixel's centre, or behind those of `only`."""
    asked = np.ones(camera.height * camera.width, dtype=bool) if only is None else only.ravel()
    rays = camera.pixel_rays()[asked]
    origins = np.broadcast_to(camera.position, rays.shape)
    found = mesh.ray.intersects_first(origins, rays)
    face, depth = np.full(len(asked), -1), np.full(len(asked), np.inf)
    face[asked] = found
    hit = found >= 0
    depth[np.flatnonzero(asked)[hit]] = plane_distance(mesh.triangles[found[hit]], camera.position, rays[hit])
    shape = (camera.height, camera.width)
    return View(face.reshape(shape), depth.reshape(shape))


def plane_distance(
    triangles: Float[np.ndarray, "k 3 3"], origin: Float[np.ndarray, "3"], rays: Float[np.ndarray, "k 3"]
) -> Float[np.ndarray, "k"]:
    """How many ray lengths away each ray meets its triangle's plane; Embree's own distances are single precision."""
    a, b, c = triangles.transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    return ((a - origin) * normals).sum(1) / (rays * normals).sum(1)


def barycentric(triangles: Float[np.ndarray, "k 3 3"], points: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "k 3"]:
    """Shares of the three corners that make up each point of its triangle's plane."""
    a, b, c = triangles.transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    square = (normal * normal).sum(1)
    of_b = (np.cross(points - a, c - a) * normal).sum(1) / square
    of_c = (np.cross(b - a, points - a) * normal).sum(1) / square
    return np.stack([1 - of_b - of_c, of_b, of_c], axis=1)

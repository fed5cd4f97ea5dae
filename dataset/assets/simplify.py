"""Mesh simplification to an exact vertex count, keeping what a parametric hand needs.

Half-edge collapses ordered by quadric error (Garland & Heckbert, "Surface Simplification Using Quadric Error Metrics",
SIGGRAPH 1997): every vertex that stays is an original vertex, so weights, blend shapes and texture coordinates carry
over exactly. Library decimators move vertices and give no exact count on an open boundary, hence this file.
"""

import heapq

import numpy as np
from jaxtyping import Float, Int

MIN_NORMAL_COSINE = 0.3
BOUNDARY_WEIGHT = 10.0


class HalfEdgeSimplifier:
    """A triangle mesh with texture wedges that loses one vertex at a time.

    A wedge is a (vertex, texture coordinate) pair; a vertex on a texture seam has several. A collapse is allowed only
    where each wedge of the vertex that goes has a wedge of the vertex that stays across the collapsed edge, so seams
    stay seams and charts never tear.
    """

    def __init__(
        self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], wedges: Int[np.ndarray, "f 3"]
    ) -> None:
        self.vertices = vertices
        self.faces = {i: tuple(int(v) for v in face) for i, face in enumerate(faces)}
        self.wedges = {i: tuple(int(w) for w in wedge) for i, wedge in enumerate(wedges)}
        self.incident: dict[int, set[int]] = {v: set() for v in range(len(vertices))}
        for index, face in self.faces.items():
            for vertex in face:
                self.incident[vertex].add(index)
        self.quadrics = self._quadrics()

    def collapse_to(self, vertex_count: int, boundary_count: int) -> None:
        """Collapse the boundary to `boundary_count` vertices, then the interior to `vertex_count` in all."""
        self._collapse(lambda: len(self.boundary()) > boundary_count, on_boundary=True)
        self._collapse(lambda: len(self.incident) > vertex_count, on_boundary=False)

    def boundary(self) -> set[int]:
        """Vertices on an open edge."""
        return {v for v in self.incident if self._is_boundary(v)}

    def _collapse(self, unfinished, on_boundary: bool) -> None:
        queue = [
            (self._cost(a, b), a, b)
            for a in self.incident
            if self._is_boundary(a) == on_boundary
            for b in self._neighbours(a)
        ]
        heapq.heapify(queue)
        while unfinished():
            if not queue:
                raise ValueError("no legal collapse is left before the target count was reached")
            cost, gone, kept = heapq.heappop(queue)
            stale = (
                gone not in self.incident or kept not in self._neighbours(gone) or cost < self._cost(gone, kept) - 1e-18
            )
            if stale or not self._is_legal(gone, kept):
                continue
            touched = self._neighbours(gone)
            self._apply(gone, kept)
            for a in touched:
                for b in self._neighbours(a):
                    for source, target in ((a, b), (b, a)):
                        if self._is_boundary(source) == on_boundary:
                            heapq.heappush(queue, (self._cost(source, target), source, target))

    def _quadrics(self) -> dict[int, np.ndarray]:
        quadrics = {v: np.zeros((4, 4)) for v in self.incident}
        for face in self.faces.values():
            corners = self.vertices[list(face)]
            normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
            area = np.linalg.norm(normal) / 2
            self._add_plane(quadrics, face, corners[0], normal, area)
            for k in range(3):
                edge = (face[k], face[(k + 1) % 3])
                if len(self.incident[edge[0]] & self.incident[edge[1]]) == 1:
                    direction = self.vertices[edge[1]] - self.vertices[edge[0]]
                    self._add_plane(
                        quadrics, edge, corners[k], np.cross(direction, normal), BOUNDARY_WEIGHT * direction @ direction
                    )
        return quadrics

    @staticmethod
    def _add_plane(quadrics: dict, members, point: np.ndarray, normal: np.ndarray, weight: float) -> None:
        unit = normal / max(np.linalg.norm(normal), 1e-20)
        plane = np.append(unit, -unit @ point)
        for vertex in members:
            quadrics[vertex] += weight * np.outer(plane, plane)

    def _cost(self, gone: int, kept: int) -> float:
        point = np.append(self.vertices[kept], 1.0)
        length = np.linalg.norm(self.vertices[gone] - self.vertices[kept])
        return float(point @ (self.quadrics[gone] + self.quadrics[kept]) @ point) + 1e-4 * length**4

    def _neighbours(self, vertex: int) -> set[int]:
        return {v for index in self.incident[vertex] for v in self.faces[index]} - {vertex}

    def _is_boundary(self, vertex: int) -> bool:
        return len(self._neighbours(vertex)) != len(self.incident[vertex])

    def _is_legal(self, gone: int, kept: int) -> bool:
        shared = self.incident[gone] & self.incident[kept]
        common = self._neighbours(gone) & self._neighbours(kept)
        if len(common) != len(shared):
            return False
        if self._is_boundary(gone) and not (self._is_boundary(kept) and len(shared) == 1):
            return False
        if not set(self._wedge_map(gone, kept)) >= {self._wedge(i, gone) for i in self.incident[gone]}:
            return False
        return all(self._keeps_facing(index, gone, kept) for index in self.incident[gone] - shared)

    def _keeps_facing(self, index: int, gone: int, kept: int) -> bool:
        before = self.vertices[list(self.faces[index])]
        after = self.vertices[[kept if v == gone else v for v in self.faces[index]]]
        normals = [np.cross(c[1] - c[0], c[2] - c[0]) for c in (before, after)]
        lengths = [np.linalg.norm(n) for n in normals]
        longest = max(np.linalg.norm(after[k] - after[k - 1]) for k in range(3))
        if lengths[1] < 0.12 * longest**2:
            return False
        return normals[0] @ normals[1] > MIN_NORMAL_COSINE * lengths[0] * lengths[1]

    def _wedge(self, index: int, vertex: int) -> int:
        return self.wedges[index][self.faces[index].index(vertex)]

    def _wedge_map(self, gone: int, kept: int) -> dict[int, int]:
        shared = self.incident[gone] & self.incident[kept]
        return {self._wedge(i, gone): self._wedge(i, kept) for i in shared}

    def _apply(self, gone: int, kept: int) -> None:
        wedge_map = self._wedge_map(gone, kept)
        for index in self.incident[gone] & self.incident[kept]:
            for vertex in self.faces[index]:
                self.incident[vertex].discard(index)
            del self.faces[index], self.wedges[index]
        for index in self.incident.pop(gone):
            at = self.faces[index].index(gone)
            self.faces[index] = tuple(kept if v == gone else v for v in self.faces[index])
            self.wedges[index] = tuple(wedge_map[w] if k == at else w for k, w in enumerate(self.wedges[index]))
            self.incident[kept].add(index)
        self.quadrics[kept] = self.quadrics[kept] + self.quadrics.pop(gone)

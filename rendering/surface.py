"""The surface of a hand that is drawn and labelled: closed at the wrist, smooth, and through every model vertex."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from hands.joints import Side
from hands.model import HandArrays
from rendering.skin_map import skin_map
from rendering.subdivision import loop_subdivision
from rendering.wrist import close_wrist

LEVELS = 2


@dataclass(frozen=True, eq=False)
class HandSurface:
    """One hand's fine surface (n vertices, m faces); build it once, then pose it as often as needed."""

    side: Side
    faces: Int[np.ndarray, "m 3"]
    """Triangles, counter-clockwise seen from outside; closed."""
    part: Int[np.ndarray, "m"]
    """Part 0–15 of each face; the forearm stump belongs to part 0."""
    attributes: dict[str, Float[np.ndarray, "n 3"]]
    """What the skin's shader needs to know at each vertex, see `rendering.skin_map`."""
    control: Float[np.ndarray, "w v"]
    """Model vertices to control points of the subdivision."""
    subdivision: sparse.csr_matrix
    """Control points to fine vertices."""

    @classmethod
    def build(cls, arrays: HandArrays) -> "HandSurface":
        """The fine surface of any hand in MANO's layout."""
        closed, coarse_faces = close_wrist(arrays)
        subdivision, faces = loop_subdivision(coarse_faces, len(closed), LEVELS)
        # Loop's surface shrinks; these control points make it pass through the given vertices instead
        control = np.linalg.solve(subdivision[: len(closed)].toarray(), closed)
        of_wrist = np.eye(16)[np.zeros(len(closed) - len(arrays.weights), dtype=int)]
        weights = subdivision @ np.concatenate([arrays.weights, of_wrist])
        part = weights[faces].sum(axis=1).argmax(axis=1)
        rest = subdivision @ (control @ arrays.v_template)
        return cls(arrays.side, faces, part, skin_map(arrays, rest, faces, weights), control, subdivision)

    def vertices(self, coarse: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "n 3"]:
        """Fine vertices (float32) of a posed hand from its model vertices, in their unit and frame."""
        return (self.subdivision @ (self.control @ np.asarray(coarse, dtype=np.float64))).astype(np.float32)

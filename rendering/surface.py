"""The surface of a hand that is drawn and labelled: continued by a forearm, smooth, and through every model vertex."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from hands.forearm import FOREARM, STRAIGHT, Forearm, WristBend
from hands.joints import Side
from hands.model import HandArrays
from rendering.skin.map import skin_map
from rendering.subdivision import loop_subdivision

LEVELS = 2


@dataclass(frozen=True, eq=False)
class HandSurface:
    """One hand's fine surface (n vertices, m faces); build it once, then pose it as often as needed."""

    side: Side
    faces: Int[np.ndarray, "m 3"]
    """Triangles, counter-clockwise seen from outside; closed."""
    part: Int[np.ndarray, "m"]
    """Part of each face: 0–15 of the hand, 16 (`hands.forearm.FOREARM`) beyond the wrist's rim."""
    attributes: dict[str, Float[np.ndarray, "n 3"]]
    """What the skin's shader needs to know at each vertex, see `rendering.skin.map`."""
    forearm: Forearm
    control: Float[np.ndarray, "w w"]
    """Points that the surface shall pass through to control points of the subdivision."""
    subdivision: sparse.csr_matrix
    """Control points to fine vertices."""
    of_hand: Bool[np.ndarray, "n"]
    """Which fine vertices belong to the hand: those of its faces, the wrist's rim included."""

    @classmethod
    def build(cls, arrays: HandArrays) -> "HandSurface":
        """The fine surface of any hand in MANO's layout."""
        forearm = Forearm.build(arrays)
        closed = forearm.surface(arrays.v_template.astype(np.float64))
        subdivision, faces = loop_subdivision(forearm.faces, len(closed), LEVELS)
        # Loop's surface shrinks; these control points make it pass through the given vertices instead
        control = np.linalg.inv(subdivision[: len(closed)].toarray())
        of_wrist = np.eye(16)[np.zeros(len(closed) - len(arrays.weights), dtype=int)]
        weights = subdivision @ np.concatenate([arrays.weights, of_wrist])
        part = weights[faces].sum(axis=1).argmax(axis=1)
        part[len(arrays.faces) * 4**LEVELS :] = FOREARM
        of_hand = np.zeros(len(weights), dtype=bool)
        of_hand[faces[part < FOREARM]] = True
        rest = subdivision @ (control @ closed)
        attributes = skin_map(arrays, rest, faces, weights)
        return cls(arrays.side, faces, part, attributes, forearm, control, subdivision, of_hand)

    def vertices(self, coarse: Float[np.ndarray, "v 3"], bend: WristBend = STRAIGHT) -> Float[np.ndarray, "n 3"]:
        """Fine vertices (float32) of a posed hand from its model vertices, in their unit (metres) and frame."""
        closed = self.forearm.surface(np.asarray(coarse, dtype=np.float64), bend)
        return (self.subdivision @ (self.control @ closed)).astype(np.float32)

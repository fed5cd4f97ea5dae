"""A hand cut into 16 closed parts, one for each joint that moves it (RenderIH §3.1 and Fig. 2).

A joint carries the faces that it and the joints beyond it move most; its part is what it carries beyond its children.
Every cut is closed by a fan around the cut's centre. The two parts that share a cut share that fan, so the parts fill the
hand exactly once, palm included. Fan centres are extra vertices: `v + j` for the cut between part `j` and its parent,
`v + 0` for the open wrist.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int

from hands.joints import MANO_JOINTS
from hands.mesh import boundary_loops, wrist_loop
from hands.model import HandArrays

PARTS = 16


@dataclass(frozen=True, eq=False)
class HandParts:
    """The subdivision of one hand; all indices count the `v` vertices of the hand and the 16 centres after them."""

    face_part: Int[np.ndarray, "f"]
    """Part 0–15 of each face of the hand."""
    rings: tuple[Int[np.ndarray, "_"], ...]
    """Vertices of each cut in order: ring `j` separates part `j` from its parent, ring 0 is the wrist."""
    surface: Int[np.ndarray, "g 3"]
    """The whole hand, closed at the wrist."""
    meshes: tuple[Int[np.ndarray, "_ 3"], ...]
    """Triangles of each closed part, outward."""

    def skin_of(self, part: int) -> Int[np.ndarray, "_ 3"]:
        """The triangles of a part that are surface of the closed hand: all but the fans between parts."""
        mesh = self.meshes[part]
        return mesh[(mesh <= self.hand_vertices).all(1)]

    @property
    def hand_vertices(self) -> int:
        """Vertices of the hand itself, without the fan centres."""
        return int(self.surface[-1, 2])

    @cached_property
    def centres(self) -> Float[np.ndarray, "16 v"]:
        """Each fan centre as the mean of its ring, a row of averages over the hand's vertices."""
        rows = np.zeros((PARTS, self.hand_vertices))
        for row, ring in zip(rows, self.rings, strict=True):
            row[ring] = 1 / len(ring)
        return rows


@lru_cache(maxsize=8)
def subdivide(arrays: HandArrays) -> HandParts:
    """Cut a hand into its parts; one cut of the same arrays is kept.

    Raises:
        ValueError: a joint moves no connected piece of the surface.
    """
    faces, count, parents = arrays.faces, len(arrays.v_template), arrays.parents
    carried = _carried(arrays)
    face_part = np.zeros(len(faces), dtype=np.int64)
    for joint in range(1, PARTS):  # parents come before their children, who take their share
        face_part[carried[joint]] = joint
    rings = (wrist_loop(faces), *(boundary_loops(faces[carried[joint]])[0] for joint in range(1, PARTS)))
    fans = [_fan(ring, count + joint) for joint, ring in enumerate(rings)]
    meshes = []
    for part in range(PARTS):
        towards_children = [fans[joint][:, ::-1] for joint in range(1, PARTS) if parents[joint] == part]
        meshes.append(np.concatenate([faces[face_part == part], fans[part], *towards_children]))
    return HandParts(face_part, rings, np.concatenate([faces, fans[0]]), tuple(meshes))


def _fan(ring: Int[np.ndarray, "n"], centre: int) -> Int[np.ndarray, "n 3"]:
    return np.stack([np.roll(ring, -1), ring, np.full_like(ring, centre)], axis=1)


def _carried(arrays: HandArrays) -> Bool[np.ndarray, "16 f"]:
    """Which faces each joint carries: one piece without holes, all of its children's among them."""
    share = arrays.weights[arrays.faces].mean(1).T.copy()
    carried = np.ones(share.shape, dtype=bool)
    pairs = _neighbours(arrays.faces)
    for joint in range(PARTS - 1, 0, -1):
        children = [child for child in range(PARTS) if arrays.parents[child] == joint]
        share[joint] += share[children].sum(0)
        wanted = (share[joint] > 0.5) | carried[children].any(0)
        if not wanted.any():
            raise ValueError(f"no face of the hand moves with {MANO_JOINTS[joint]} more than with the others")
        carried[joint] = _one_piece(wanted, arrays.faces, pairs)
    return carried


def _one_piece(
    wanted: Bool[np.ndarray, "f"], faces: Int[np.ndarray, "f 3"], pairs: Int[np.ndarray, "e 2"]
) -> Bool[np.ndarray, "f"]:
    """The largest connected piece, its holes filled, and where its rim touches itself the faces around that vertex."""
    piece = _largest(wanted, pairs)
    while True:
        piece = ~_largest(~piece, pairs)
        edges = np.concatenate([faces[piece][:, [0, 1]], faces[piece][:, [1, 2]], faces[piece][:, [2, 0]]])
        directed = {tuple(edge) for edge in edges.tolist()}
        starts = np.array([a for a, b in directed if (b, a) not in directed])
        vertices, visits = np.unique(starts, return_counts=True)
        if visits.max() == 1:
            return piece
        piece |= np.isin(faces, vertices[visits > 1]).any(1)


def _neighbours(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "e 2"]:
    """Pairs of faces that share an edge."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owner, order = np.tile(np.arange(len(faces)), 3), np.lexsort(edges.T)
    same = (edges[order][1:] == edges[order][:-1]).all(1)
    return np.stack([owner[order][:-1][same], owner[order][1:][same]], axis=1)


def _largest(chosen: Bool[np.ndarray, "f"], pairs: Int[np.ndarray, "e 2"]) -> Bool[np.ndarray, "f"]:
    """The largest set of chosen faces that are connected through edges."""
    label, joined = np.arange(len(chosen)), pairs[chosen[pairs].all(1)]
    while True:
        lowest = label.copy()
        np.minimum.at(lowest, joined[:, 0], label[joined[:, 1]])
        np.minimum.at(lowest, joined[:, 1], label[joined[:, 0]])
        if np.array_equal(lowest, label):
            return chosen & (label == np.bincount(label[chosen]).argmax())
        label = lowest

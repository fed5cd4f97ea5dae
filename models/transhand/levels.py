"""Coarse to fine nodes of a hand's surface, and what else TransHand knows of the hands before it sees an image.

A surface becomes coarser by halves: neighbouring nodes are matched in pairs by heavy-edge matching under the normalised cut
(Graclus: Dhillon, Guan & Kulis, PAMI 2007), and every node without a partner is given a fake one, so that all levels are the
levels of one binary tree (Defferrard, Bresson & Vandergheynst, NIPS 2016, §2.2–2.3). The tree's leaves lie side by side with
their siblings: going one level finer doubles every node. Only faces are needed, so any hand will do; MANO's 778 vertices make
about 63, 126 and 252 nodes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hands.joints import Side
from models.two_hand_metrics.surface_joints import surface_joints

HALVINGS = 4
"""From the leaves to the coarsest nodes."""
FINEST = 2
"""The finest level that the network has tokens for; the coarsest is 0."""


@dataclass(frozen=True, eq=False)
class MeshLevels:
    """A binary tree over a surface's vertices (m leaves)."""

    leaves: Int[Tensor, "m"]
    """The vertex at each leaf; −1 at fake ones."""
    halvings: int = HALVINGS
    """Levels above the leaves: level 0 is the coarsest, level `halvings` that of the leaves."""

    @classmethod
    def of(cls, faces: Int[np.ndarray, "f 3"], vertices: int, halvings: int = HALVINGS) -> "MeshLevels":
        """The tree of a surface of that many vertices; the same for the same triangles, in any order.

        Raises:
            ValueError: a face names a vertex that there is not, or there is nothing to halve.
        """
        if vertices < 1 or not faces.size or faces.min() < 0 or faces.max() >= vertices:
            raise ValueError(f"the faces do not fit a surface of {vertices} vertices; give faces of its own vertices")
        graph = _edges(faces, vertices)
        pairs, volumes = [], [sum(weights.values()) for weights in graph]
        for _ in range(halvings):
            pairs.append(_matched(graph, volumes))
            graph, volumes = _contracted(graph, volumes, pairs[-1])
        order = list(range(len(graph)))
        for level in reversed(pairs):
            order = [child for node in order for child in (level[node] if node >= 0 else (-1, -1))]
        return cls(torch.tensor(order), halvings)

    def nodes(self, level: int) -> int:
        """How many nodes a level has, fake ones included."""
        return len(self.leaves) >> (self.halvings - level)

    def pooling(self, level: int) -> Float[Tensor, "n v"]:
        """Each node's mean over the vertices below it; a fake node is where the nearest node above it is that has any."""
        below = torch.arange(len(self.leaves)) >> (self.halvings - level)
        real = self.leaves >= 0
        sums = torch.zeros(self.nodes(level), int(self.leaves.max()) + 1, dtype=torch.float64)
        sums[below[real], self.leaves[real]] = 1.0
        counts = sums.sum(dim=1, keepdim=True)
        means = sums / counts.clamp_min(1)
        if not level or counts.all():
            return means
        return torch.where(counts > 0, means, self.pooling(level - 1).repeat_interleave(2, dim=0))

    def pool(self, vertices: Float[Tensor, "*b v 3"], level: int = FINEST) -> Float[Tensor, "*b n 3"]:
        """Where a level's nodes are on a surface; fake nodes lie on a real one above them."""
        return self.pooling(level).to(vertices) @ vertices


class Meshes(nn.Module):
    """Both hands' surfaces as the network has them: constants that its checkpoint holds.

    Both hands have the same vertices, edges and levels; right comes first where sides are stacked (n nodes at level `FINEST`).
    `models.transhand.upsampling.meshes_of` makes them of any pair of hand models.
    """

    leaves: Int[Tensor, "m"]
    rest: Float[Tensor, "2 n 3"]
    upsampling: Float[Tensor, "v n"]
    residual: Float[Tensor, "2"]
    faces: Int[Tensor, "2 f 3"]
    J_regressor: Float[Tensor, "2 16 v"]
    tips: Int[Tensor, "2 5"]
    pooling: Float[Tensor, "n v"]

    def __init__(
        self,
        leaves: Int[Tensor, "m"],
        rest: Float[Tensor, "2 k 3"],
        upsampling: Float[Tensor, "v n"],
        residual: Float[Tensor, "2"],
        faces: Int[Tensor, "2 f 3"],
        J_regressor: Float[Tensor, "2 16 v"],
        tips: Int[Tensor, "2 5"],
    ) -> None:
        """Keep them.

        Args:
            leaves: the vertex at each leaf of the tree, −1 at fake ones.
            rest: the finest nodes of the flat hands, each axis scaled so that the vertices lie in [−1, 1].
            upsampling: U, all vertices from the finest nodes; rows sum to 1.
            residual: mean and largest error of U on hands that it was not fitted to, metres.
            faces: triangles.
            J_regressor: 16 joints from the vertices of a posed surface, see `models.two_hand_metrics.surface_joints`.
            tips: fingertip vertices, thumb to pinky.

        Raises:
            ValueError: they do not fit each other.
        """
        super().__init__()
        given = {"leaves": leaves, "rest": rest, "upsampling": upsampling, "residual": residual}
        given |= {"faces": faces, "J_regressor": J_regressor, "tips": tips}
        for name, value in given.items():
            self.register_buffer(name, value)
        self.levels = MeshLevels(leaves, _halvings(leaves, upsampling))
        _check(self)
        self.register_buffer("pooling", self.levels.pooling(FINEST).to(upsampling.dtype), persistent=False)

    @property
    def vertices(self) -> int:
        """Vertices of a hand."""
        return len(self.upsampling)

    def nodes(self, level: int) -> int:
        """Nodes of a level, see `MeshLevels`."""
        return self.levels.nodes(level)

    def rest_at(self, level: int) -> Float[Tensor, "2 k 3"]:
        """Where a level's nodes are on the flat hands: each amid the finest ones below it."""
        return self.rest.unflatten(1, (self.nodes(level), -1)).mean(dim=2)

    def pool(self, vertices: Float[Tensor, "*b v 3"]) -> Float[Tensor, "*b n 3"]:
        """The nodes of level `FINEST` on a surface: what coarse predictions are compared with."""
        return self.pooling.to(vertices) @ vertices

    def joints(self, side: Side, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 21 3"]:
        """The 21 joints (`hands.joints.JOINTS_21`) as a posed surface has them: regressed, with fingertips."""
        row = tuple(Side).index(side)
        return surface_joints(vertices, self.J_regressor[row].to(vertices), tuple(self.tips[row].tolist()))


def _edges(faces: Int[np.ndarray, "f 3"], vertices: int) -> list[dict[int, float]]:
    """Each vertex's neighbours, all edges equally heavy."""
    both = np.concatenate([faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2])])
    graph: list[dict[int, float]] = [{} for _ in range(vertices)]
    for start, end in np.unique(both[both[:, 0] != both[:, 1]], axis=0).tolist():
        graph[start][end] = 1.0
    return graph


def _matched(graph: list[dict[int, float]], volumes: list[float]) -> list[tuple[int, int]]:
    """Pairs of neighbours, and (node, −1) for those that find none.

    The smallest volumes choose first, each the free neighbour whose edge weighs most in both nodes' volumes; the lower number
    decides between equals.
    """
    free, pairs = set(range(len(graph))), []
    for node in sorted(free, key=lambda node: (volumes[node], node)):
        if node not in free:
            continue
        free.remove(node)
        shares = [
            (-edge / volumes[node] - edge / volumes[end], end) for end, edge in graph[node].items() if end in free
        ]
        partner = min(shares, default=(0.0, -1))[1]
        free.discard(partner)
        pairs.append((node, partner))
    return pairs


def _contracted(
    graph: list[dict[int, float]], volumes: list[float], pairs: list[tuple[int, int]]
) -> tuple[list[dict[int, float]], list[float]]:
    """Pairs as nodes: edges between the same two pairs add up, edges inside one count in its volume alone."""
    parent = {child: row for row, pair in enumerate(pairs) for child in pair}
    coarse: list[dict[int, float]] = [{} for _ in pairs]
    for child, neighbours in enumerate(graph):
        row = parent[child]
        for end, edge in neighbours.items():
            if (other := parent[end]) != row:
                coarse[row][other] = coarse[row].get(other, 0.0) + edge
    return coarse, [sum(volumes[child] for child in pair if child >= 0) for pair in pairs]


def _halvings(leaves: Tensor, upsampling: Tensor) -> int:
    """How many levels lie above the leaves, from the size of level `FINEST`."""
    ratio = len(leaves) // max(upsampling.shape[1], 1)
    if ratio < 1 or ratio & (ratio - 1) or ratio * upsampling.shape[1] != len(leaves):
        raise ValueError(f"{len(leaves)} leaves are no doubling of the {upsampling.shape[1]} nodes of the upsampling")
    return FINEST + ratio.bit_length() - 1


def _check(meshes: Meshes) -> None:
    count, nodes = meshes.vertices, meshes.nodes(0)
    if sorted(meshes.leaves[meshes.leaves >= 0].tolist()) != list(range(count)) or int(meshes.leaves.min()) < -1:
        raise ValueError(f"the leaves do not name each of {count} vertices once")
    if nodes << FINEST != meshes.upsampling.shape[1] or meshes.rest.shape != (2, nodes << FINEST, 3):
        raise ValueError(f"the rest positions are not those of the upsampling's {meshes.upsampling.shape[1]} nodes")
    if meshes.J_regressor.shape != (2, 16, count) or meshes.faces.shape[::2] != (2, 3) or meshes.tips.shape != (2, 5):
        raise ValueError(f"joints, faces or fingertips are not those of two hands of {count} vertices")
    named = torch.cat([meshes.faces.flatten(), meshes.tips.flatten()])
    if int(named.min()) < 0 or int(named.max()) >= count:
        raise ValueError(f"faces or fingertips name vertices beyond the {count} that there are")

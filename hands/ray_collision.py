"""Which vertices of two hands run into the other hand or their own, and where each should go (IHDiff, appendix D).

A point just before a vertex, along its outward normal, is inside a closed surface if a ray from there crosses it an odd number
of times. The vertex's target is where a ray backwards first leaves what it is inside; the loss is the distance to it.

* `literal`: appendix D to the letter over both hands as one mesh, its cross-references repaired (step 2 goes on to 4, step 3
  to 6). A vertex deep in the other hand often first meets the far side of its own finger; and the branch along +n asks for a
  face that is entered, where what encloses the vertex is left: it finds next to nothing.
* repaired, the default: a vertex inside the other hand is measured against the other hand alone; its branch along +n, taken
  when nothing is left behind it, asks for a face that is left as well. A vertex outside the other hand is asked the same of its
  own hand. Just before a healthy vertex one is outside one's own hand, however its surface is bent there: the count is even.
  An odd count means that another stretch of the same hand encloses the vertex: that is a self-collision.

Appendix D's second condition, that the target is behind (step 5: before) every face around the vertex, is a fact of the vertex
alone, since all targets lie on the line of its normal: each of these faces must look along the normal. It keeps folds from
counting as self-collisions. The other hand has no such faces, so the repaired rule asks it of the own hand only. Where it
holds, a ray along the normal meets the faces around the vertex nowhere but there.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import warp as wp
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hands.joints import Side
from hands.kernels import in_turn, launch, start
from hands.mesh import close_wrist, wrist_loop
from hands.model import HandModel
from hands.ray_kernels import COLUMNS, kernels
from hands.rotations import axis_angle_to_matrix

DEEPER = 0.003
"""A vertex farther than this from its target counts as colliding (IHDiff §5.4), metres."""


class Targets(NamedTuple):
    """Where the vertices of both closed hands should go: a face and a place in it."""

    face: Int[Tensor, "b w"]
    """Index into `RayCollision.faces`; -1: this vertex collides with nothing."""
    shares: Float[Tensor, "b w 3"]
    """Barycentric coordinates of the target position; zeros where there is none."""


@dataclass(frozen=True, eq=False)
class RayCollision:
    """The search for a number of pairs at a time: one tree for all their faces, refitted to each batch.

    Letters: b pairs, v vertices of a hand, w = 2 (v + 1) vertices of both closed hands (right, then left), f their faces.
    """

    faces: Int[Tensor, "f 3"]
    """Faces of both closed hands, indices into the w vertices."""
    corners: Int[Tensor, "f 3"]
    """The same for the kernels."""
    right_faces: int
    """How many of them are the right hand's."""
    literal: bool
    """Appendix D to the letter, see above."""
    loops: dict[Side, Int[Tensor, "_"]]
    """The vertices around each wrist, whose mean closes the hand."""
    around: tuple[Int[Tensor, "_"], Int[Tensor, "_ 2"]]
    """Where each vertex's faces begin in a list, and that list: their other two corners."""
    points: Float[Tensor, "pairs w 3"]
    """The memory that the tree reads; a pair is centred before it is written here."""
    mesh: wp.Mesh
    roots: Int[Tensor, "_"]
    """The node of the tree below which each hand lies: 2 · pair + hand."""

    @staticmethod
    def build(
        hands: dict[Side, HandModel], pairs: int, device: torch.device | str = "cpu", literal: bool = False
    ) -> "RayCollision":
        """A tree for up to `pairs` pairs at a time, shaped by the flat hands; larger batches are searched in turns.

        Raises:
            ValueError: `pairs` is below 1, a hand is closed already, or one has more vertices than the other.
        """
        if pairs < 1:
            raise ValueError(f"collisions are to be searched for {pairs} pairs at a time; ask for 1 or more")
        start()
        rest, closed = [], []
        for side in Side:
            template, open_faces = hands[side].v_template[None].float().cpu(), hands[side].faces.cpu()
            vertices, faces = close_wrist(template, open_faces)
            rest.append(vertices[0])
            closed.append(faces + len(vertices[0]) * len(closed))
        if len(rest[0]) != len(rest[1]):
            raise ValueError(
                f"the hands have {len(rest[0]) - 1} and {len(rest[1]) - 1} vertices; give two of one topology"
            )
        points, faces = torch.cat(rest)[None].repeat(pairs, 1, 1).to(device), torch.cat(closed).to(device)
        groups = torch.cat([torch.full((len(part),), h) for h, part in enumerate(closed)])
        mesh = _mesh(points, faces, groups.to(device))
        roots = torch.empty(2 * pairs, dtype=torch.int32, device=points.device)
        launch(kernels()["roots"], (2 * pairs,), [mesh.id, roots])
        loops = {side: torch.as_tensor(wrist_loop(hands[side].arrays.faces), device=device) for side in Side}
        around = _around(faces, points.shape[1])
        return RayCollision(faces, faces.int(), len(closed[0]), literal, loops, around, points, mesh, roots)

    def close(self, right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"]) -> Float[Tensor, "b w 3"]:
        """The vertices of both hands, each followed by the middle of its wrist.

        Raises:
            ValueError: the search was built for hands of another number of vertices.
        """
        wanted = self.points.shape[1] // 2 - 1
        if (given := right.shape[1]) != wanted:
            raise ValueError(
                f"these hands have {given} vertices, the search was built for {wanted}; build one for them"
            )
        both = zip(Side, (right, left), strict=True)
        return torch.cat([x for side, hand in both for x in (hand, hand[:, self.loops[side]].mean(1, True))], dim=1)

    @torch.no_grad()
    def find(self, right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"]) -> Targets:
        """Targets of posed hands (metres), float32 inside; the middle of a wrist never has one."""
        found = [self._find(some) for some in self.close(right, left).split(len(self.points))]
        return Targets(torch.cat([some.face for some in found]), torch.cat([some.shares for some in found]))

    def offsets(self, right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"]) -> Float[Tensor, "b u 3"]:
        """From target to vertex for the u = 2 v vertices of the hands, right then left, metres; zero where nothing collides.

        Slopes flow to the vertex and to the corners of its target's face; face and place in it are constants.
        """
        targets, closed = self.find(right, left), self.close(right, left)
        row, vertex = (targets.face >= 0).nonzero(as_tuple=True)
        corners = closed[row[:, None], self.faces[targets.face[row, vertex]]]
        away = closed[row, vertex] - (targets.shares[row, vertex][..., None] * corners).sum(1)
        offsets = torch.zeros_like(closed).index_put((row, vertex), away)
        return torch.cat([half[:, :-1] for half in offsets.chunk(2, dim=1)], dim=1)

    def _find(self, closed: Float[Tensor, "b w 3"]) -> Targets:
        count, width, points = len(closed), self.points.shape[1], self.points[: len(closed)]
        if closed.shape[1] != width:
            raise ValueError(
                f"hands of {closed.shape[1] // 2 - 1} vertices; this search is for hands of {width // 2 - 1}"
            )
        with in_turn(points.device):
            points.copy_(_askew(closed - closed[:, :1]))
            self.mesh.refit()
        blank = lambda *shape: torch.full((count, *shape), -1, dtype=torch.int32, device=points.device)  # noqa: E731
        above, column, following, face = blank(2, width), blank(COLUMNS**2), blank(width), blank(width)
        normal, shares, seen = torch.empty_like(points), torch.zeros_like(points), blank(width).to(torch.uint8)
        launch(kernels()["sort"], (count, width), [*self.around, points, normal, seen, above, column, following])
        tables = [self.corners, self.right_faces, points, column, following, above]
        launch(kernels()["cross"], (count, len(self.faces)), tables)
        search = kernels()["literal" if self.literal else "apart"]
        tables = [self.mesh.id, self.roots, len(self.faces), points, normal, seen, above, face, shares]
        launch(search, (count, width), tables)
        return Targets(face.long(), shares.to(closed))


def collision_loss(offsets: Float[Tensor, "b u 3"]) -> Float[Tensor, "b"]:
    """Sum over vertices of the L1 distance to the target, metres (appendix D, step 6)."""
    return offsets.abs().sum((1, 2))


def colliding(offsets: Float[Tensor, "b u 3"], deeper: float = DEEPER) -> Bool[Tensor, "b u"]:
    """Vertices farther than `deeper` metres from their target: what IHDiff §5.4 counts as collisions."""
    return offsets.norm(dim=-1) > deeper


def _mesh(points: Float[Tensor, "pairs w 3"], faces: Int[Tensor, "f 3"], hand: Int[Tensor, "f"]) -> wp.Mesh:
    """One Warp mesh that reads `points` where they lie."""
    pairs, width = points.shape[:2]
    pair = torch.arange(pairs, device=points.device)[:, None]
    corners = (faces.flatten() + width * pair).flatten().int()
    groups = (hand + 2 * pair).flatten().int()
    with in_turn(points.device):
        return wp.Mesh(
            wp.from_torch(points.view(-1, 3), dtype=wp.vec3), wp.from_torch(corners), groups=wp.from_torch(groups)
        )


def _around(faces: Int[Tensor, "f 3"], count: int) -> tuple[Int[Tensor, "_"], Int[Tensor, "_ 2"]]:
    """The other two corners of the faces around each vertex, vertex by vertex, and where each vertex's begin."""
    vertex, order = faces.flatten().sort(stable=True)
    begins = torch.searchsorted(vertex, torch.arange(count + 1, device=faces.device))
    others = torch.stack([faces.roll(-1, 1).flatten()[order], faces.roll(-2, 1).flatten()[order]], dim=1)
    return begins.int(), others.int()


def _askew(points: Float[Tensor, "b w 3"]) -> Float[Tensor, "b w 3"]:
    """Turned in no special way, so that nothing stands upright; by a sum, because a GPU may round products of matrices."""
    turn = axis_angle_to_matrix(torch.tensor([0.3711, -0.5923, 0.8317], dtype=torch.float64))
    return (points[..., None, :] * turn.to(points)).sum(-1)

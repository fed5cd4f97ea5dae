"""What pose optimisation minimises: RenderIH Eq. 9 (13 in the supplement) for a batch of two-hand poses.

    w1 · L_A (attraction, Eq. 5) + w2 · L_a (anatomy, Eq. 6) + w3 · L_adv (naturalness, Eq. 8) + w4 · L_p (penetration, Eq. 3)

Lengths enter in centimetres, angles in radians. Every term belongs to one pose. Surfaces are float32 kernels whose numbers
do not depend on the batch; the small rest is float64, so that a batch's size shows only in digits that get rounded away.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hands.anatomy import anatomical_rotations, anatomy_loss, hand_pose_to_angles, joint_frames, movable
from hands.contact import AnchorPairs, Anchors, attraction_loss, pair_anchors
from hands.correctives import Correctives
from hands.joints import Side
from hands.mesh import vertex_normals
from hands.model import HandModel
from hands.naturalness import Naturalness, adversarial_loss
from hands.parts import subdivide
from hands.penetration import MakeSearch, Memory, Penetration, Search
from hands.pose import TwoHandPose
from hands.rotations import axis_angle_to_matrix
from hands.skinning import PosedSurfaces, Skeletons, skin

ANGLES = 45
"""Variables of a hand: 15 × (bend, splay, twist), then 3 of translation."""


class Weights(NamedTuple):
    """w1 to w4 of Eq. 9, and the pull towards the pose that came in (not in the paper)."""

    attraction: float
    anatomy: float
    adversarial: float
    penetration: float
    spring: float


class Terms(NamedTuple):
    """The unweighted losses of each pose."""

    attraction: Float[Tensor, "b"]
    anatomy: Float[Tensor, "b"]
    adversarial: Float[Tensor, "b"]
    penetration: Float[Tensor, "b"]
    spring: Float[Tensor, "b"]

    def weighted(self, weights: Weights) -> Float[Tensor, "b"]:
        """Their sum, each times its weight."""
        return sum(weight * term for weight, term in zip(weights, self, strict=True))


@dataclass(eq=False)
class Objective:
    """The losses of a batch, and what they are computed from. Variables are `[b 2 48]`: right hand, left hand."""

    start: Float[Tensor, "b 2 48"]
    root: Float[Tensor, "b 2 3 3"]
    rest: Float[Tensor, "b 2 16 3"]
    shaped: Float[Tensor, "b 2 v 3"]
    skeletons: Skeletons
    correctives: Correctives | None
    search: Callable[..., Penetration]
    memory: Memory
    anchors: tuple[Int[Tensor, "n"], Int[Tensor, "m"]]
    faces: tuple[Int[Tensor, "f 3"], Int[Tensor, "f 3"]]
    naturalness: Naturalness | None
    pairs: tuple[AnchorPairs, AnchorPairs] | None = None

    @staticmethod
    def build(
        poses: TwoHandPose,
        hands: dict[Side, HandModel],
        anchors: Anchors,
        naturalness: Naturalness | None = None,
        make_search: MakeSearch = Search.build,
        real: torch.dtype = torch.float32,
    ) -> "Objective":
        """Everything on the device of `poses`; `real` is the precision of surfaces and depths."""
        device = poses.right.transl.device
        like = torch.empty(0, dtype=real, device=device)
        models = {side: HandModel(hands[side].arrays, torch.float64).to(device) for side in Side}
        parts = {side: subdivide(models[side].arrays) for side in Side}
        exact = poses.to(torch.float64)
        skeletons = Skeletons.build(models, parts, like)
        both = lambda of: torch.stack([of(side) for side in Side], dim=1)  # noqa: E731
        return Objective(
            start=snap(both(lambda side: _variables(exact, models[side]))),
            root=both(lambda side: axis_angle_to_matrix(exact.side(side).global_orient)).to(real),
            rest=both(lambda side: models[side].rest_joints(exact.side(side).betas)).to(real),
            shaped=both(lambda side: _shaped(exact, models[side], parts[side].centres)).to(real),
            skeletons=skeletons,
            correctives=Correctives.build(models, parts, skeletons),
            search=make_search(models, parts, like),
            memory=Memory(),
            anchors=tuple(torch.as_tensor(anchors.of(side), device=device) for side in Side),
            faces=tuple(models[side].faces for side in Side),
            naturalness=naturalness,
        )

    def surfaces(self, variables: Float[Tensor, "b 2 48"]) -> PosedSurfaces:
        """Both hands posed; slopes flow to the variables."""
        angles, transl = variables[..., :ANGLES].unflatten(-1, (15, 3)), variables[..., ANGLES:]
        shaped = self.shaped if self.correctives is None else self.shaped + self.correctives(angles)
        real = self.shaped.dtype
        return skin(self.skeletons, self.root, self.rest, angles.to(real), transl.to(real), shaped)

    def terms(self, variables: Float[Tensor, "b 2 48"], surfaces: PosedSurfaces) -> Terms:
        """All losses of the variables whose surfaces are given; `pair` must have been called before."""
        angles = variables[..., :ANGLES].unflatten(-1, (15, 3))
        natural = (
            self.naturalness(anatomical_rotations(angles)) if self.naturalness else torch.ones_like(angles[..., 0, 0])
        )
        moved = variables - self.start
        return Terms(
            attraction=self._attraction(surfaces.vertices),
            anatomy=anatomy_loss(angles.flatten(0, 1)).unflatten(0, (-1, 2)).sum(1),
            adversarial=adversarial_loss(natural),
            penetration=100 * self.penetration(surfaces).loss.double(),
            spring=moved[..., :ANGLES].square().sum((1, 2)) + 1e4 / 20 * moved[..., ANGLES:].square().sum((1, 2)),
        )

    def penetration(self, surfaces: PosedSurfaces) -> Penetration:
        """How deep the hands are in each other, metres."""
        return self.search(surfaces, self.memory)

    @torch.no_grad()
    def pair(self, surfaces: PosedSurfaces) -> None:
        """Find the anchor pairs of the hands as they are now."""
        points, normals = [], []
        for h, (anchors, faces) in enumerate(zip(self.anchors, self.faces, strict=True)):
            vertices = surfaces.vertices[:, h].double()
            points.append(vertices[:, anchors])
            normals.append(vertex_normals(vertices, faces)[:, anchors])
        self.pairs = tuple(pair_anchors(points[h], normals[h], points[1 - h], normals[1 - h]) for h in (0, 1))

    def _attraction(self, vertices: Float[Tensor, "b 2 v 3"]) -> Float[Tensor, "b"]:
        """Eq. 5 as a mean over the pairs' stiffness, cm²: hands that touch in many places are not pulled more strongly."""
        flat = torch.cat([anchors + h * vertices.shape[2] for h, anchors in enumerate(self.anchors)])
        both = 100 * vertices.flatten(1, 2).index_select(1, flat).double()
        points = both.split([len(anchors) for anchors in self.anchors], dim=1)
        total = sum(attraction_loss(points[h], points[1 - h], self.pairs[h]) for h in (0, 1))
        return total / sum(pairs.stiffness.sum(-1) for pairs in self.pairs).clamp_min(1)


def snap(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Rounded to multiples of 2⁻³²: the last digits, in which batches of different size differ, never get to matter."""
    return (values * 2.0**32).round() / 2.0**32


def _variables(poses: TwoHandPose, model: HandModel) -> Float[Tensor, "b 48"]:
    pose = poses.side(model.side)
    angles = hand_pose_to_angles(pose.hand_pose, joint_frames(model))
    return torch.cat([torch.where(movable().to(angles.device), angles, 0.0).flatten(1), pose.transl], dim=1)


def _shaped(poses: TwoHandPose, model: HandModel, centres: object) -> Float[Tensor, "b v 3"]:
    betas = poses.side(model.side).betas
    averages = torch.as_tensor(centres).to(model.v_template)
    rest = model.v_template + torch.einsum("bl,vkl->bvk", betas, model.shapedirs)
    return torch.cat([rest, torch.einsum("jv,bvk->bjk", averages, rest)], dim=1)

"""The distance g of Alg. 2 between hands and what is observed of them.

The paper weights an L1 distance by 1000 (appendix B.1) and does not say how it is reduced. Here each term is the mean of the
absolute differences over a hand pair's seen coordinates, in metres: the reading under which the paper's update steps work.
Terms are added; their weights are not given either. Joints are those of the posed surfaces, not the matrix's own (§5.4).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hands.joints import FROM_MANO_WITH_TIPS, Side
from hands.model import HandModel
from models.ihdiff.observations import Observations
from models.ihdiff.placing import View, begin, into_world, project, without_intrinsics
from models.ihdiff.representation import JOINTS, Standard, Surfaces, constant_entries, surfaces


@dataclass(frozen=True)
class TermWeights:
    """Weights of the terms of g."""

    joints_3d: float = 1.0
    """Of joints in space, metres."""
    joints_2d: float = 1.0
    """Of joints in the image, metres: pixels at the scale that the hands have where the fit starts."""
    vertices: float = 1.0
    """Of surfaces, metres."""
    pose: float = 0.05
    """Of the regressor's rotations: metres for one unit of a rotation's entry, about what a fingertip moves by."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        for name in ("joints_3d", "joints_2d", "vertices", "pose"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"weights.{name} is {getattr(self, name)}, must be 0 or more")


class Distance:
    """Measures g of one batch; where the hands are in the world is found at the first measurement and fitted from there."""

    def __init__(
        self, observations: Observations, hands: dict[Side, HandModel], standard: Standard, weights: TermWeights
    ) -> None:
        """`observations` have been checked; of `standard` it is asked how far joints stray.

        Raises:
            ValueError: nothing that is observed has a weight.
        """
        names = {"regressed": "pose"}
        if not any(getattr(weights, names.get(name, name)) for name in observations.given):
            raise ValueError(
                f"all weights of what is observed ({', '.join(observations.given)}) are 0: give one of them some"
            )
        self.observations, self.hands, self.weights = observations, hands, weights
        self._strays = standard.std[:, :3].norm(dim=-1)
        self.view: View | None = None
        """None: all is seen from the right wrist, or nothing was measured yet."""
        self._varies = ~constant_entries()[:, 3:]
        self._unit: Tensor | None = None

    def __call__(self, x: Float[Tensor, "b 42 9"], betas: Float[Tensor, "b 20"]) -> Float[Tensor, "b"]:
        """g of each hand pair, metres; slopes to hands and view."""
        return self.of(x, surfaces(x, betas, self.hands))

    def of(self, x: Float[Tensor, "b 42 9"], posed: Surfaces) -> Float[Tensor, "b"]:
        """The same of surfaces that were posed already."""
        seen, weights = self.observations, self.weights
        posed = self._in_world(posed)
        total = x.new_zeros(len(x))
        if seen.joints_3d is not None:
            apart = (posed.joints - seen.known("joints_3d")).abs()
            total = total + weights.joints_3d * _mean(apart, seen.seen("joints_3d"))
        if seen.vertices is not None:
            total = total + weights.vertices * (posed.both - seen.vertices).abs().mean((1, 2))
        if seen.joints_2d is not None:
            total = total + weights.joints_2d * _mean(self._in_image(posed.joints), seen.seen("joints_2d"))
        if seen.regressed is not None:
            apart = (x[..., 3:] - seen.regressed.x[..., 3:]).abs()
            total = total + weights.pose * apart[:, self._varies.to(x.device)].mean(-1)
        return total

    def _in_world(self, posed: Surfaces) -> Surfaces:
        if not self.observations.placed:
            return posed
        if self.view is None:
            still = Surfaces(*(points.detach() for points in posed))
            self.view = begin(self.observations, still, _rows_of_vertices(self.hands, still), self._strays)
        placement = self.view.placement
        return Surfaces(*(into_world(points, placement) for points in posed))

    def _in_image(self, joints: Float[Tensor, "b 42 3"]) -> Float[Tensor, "b 42 2"]:
        """How far joints are from where they are seen; pixels become metres by the scale of the start, which stays."""
        pixels, camera = self.observations.known("joints_2d"), self.observations.camera
        if camera is not None:
            if self._unit is None:
                self._unit = joints[..., 2].detach().mean(-1).clamp_min(0.05)
            apart = project(joints) - without_intrinsics(pixels, camera)
        else:
            scale, offset = self.view.camera
            if self._unit is None:
                self._unit = 1 / scale.detach()
            apart = scale[:, None, None] * (joints[..., :2] + offset[:, None]) - pixels
        return apart.abs() * self._unit[:, None, None]


def _rows_of_vertices(hands: dict[Side, HandModel], posed: Surfaces) -> Int[Tensor, "u"]:
    """The matrix's row of the joint that moves each vertex most."""
    parts = [
        FROM_MANO_WITH_TIPS.index(part) + JOINTS * h for h, side in enumerate(Side) for part in hands[side].arrays.parts
    ]
    return torch.tensor(parts, device=posed.joints.device)


def _mean(values: Float[Tensor, "b n c"], seen: Bool[Tensor, "b n"]) -> Float[Tensor, "b"]:
    """Over the seen rows of each pair; 0 where none is."""
    total = torch.where(seen[..., None], values, 0.0).sum((1, 2))
    return total / (values.shape[-1] * seen.sum(-1).clamp_min(1))

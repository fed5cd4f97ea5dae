"""What TransHand is trained to minimise: Eq. 10–12 of RenderIH (ICCV 2023), and the variant that its authors published.

The paper sums L1 distances over points, in space and in the picture, and gives neither weights nor reductions; the published
code (github.com/adwardlee/RenderIH) has weights, other norms and further terms. Here a term of one image and one hand is the
mean over its points and their coordinates (over faces and their three edges for Eq. 12); the loss is the mean of both hands,
then of the images. An image counts in the mean even where a label is missing, as 0: so each label weighs the same in whatever
batch it is, and a batch in parts is the same batch. Lengths are in the network's frame (metres of hands with one bone length),
places in the picture in [−1, 1].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hands.joints import Side
from models.transhand.frames import HandTarget, JointRegressors, Targets, weak_perspective
from models.transhand.network import HandPrediction, Prediction

Norm = Literal["l1", "smooth", "mse"]
_NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "l1": torch.abs,
    "smooth": lambda apart: torch.where(apart.abs() < 1, apart.square() / 2, apart.abs() - 0.5),
    "mse": torch.square,
}
"""Of a difference; `smooth` is the smooth L1 with β = 1, which for metres is half the square."""
_SHORTEST = 1e-4
"""Length below which an edge counts as that long when its direction is asked for: a collapsed surface has no directions."""


@dataclass(frozen=True)
class LossConfig:
    """Norms, and weights of the terms; as it is: the paper's terms with the weights that its authors' code gives them."""

    norm_3d: Norm = "l1"
    """Of differences in space, of edge directions and lengths: l1 (paper) or smooth (released: smooth L1 with β = 1)."""
    norm_2d: Norm = "l1"
    """Of differences in the picture: l1 (paper) or mse (released)."""
    vertices: float = 100.0
    """Of vertices in space (Eq. 11)."""
    vertices_2d: float = 50.0
    """Of vertices in the picture (Eq. 11)."""
    joints: float = 100.0
    """Of joints in space (Eq. 10)."""
    joints_2d: float = 50.0
    """Of joints in the picture (Eq. 10); the released code has no such term, so the weight is that of the vertices."""
    normal: float = 10.0
    """Of edges along true normals (Eq. 12); the edges have length 1, as released."""
    edge: float = 0.0
    """Of lengths of edges; released: 2000."""
    edge_from: float = 0.25
    """Share of the training from which on lengths of edges count; released: epoch 50 of 200."""
    coarse: float = 0.0
    """Of the finest nodes in space, against the true surface's; released: 100."""
    coarse_2d: float = 0.0
    """Of the finest nodes in the picture; released: 50."""
    upsampling: float = 0.0
    """Of the change of U where it is trained, by the norm in space; released: 1."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) and not value >= 0:
                raise ValueError(f"losses.{field.name} is {value}, must be 0 or more")
        if self.norm_3d not in _NORMS or self.norm_2d not in _NORMS:
            raise ValueError(f"losses.norm_3d and norm_2d must be of {', '.join(_NORMS)}")
        if not self.edge_from <= 1:
            raise ValueError(f"losses.edge_from is {self.edge_from}, must be a share of the training, 0 to 1")
        if not (self.vertices or self.joints or self.coarse) or not (
            self.vertices_2d or self.joints_2d or self.coarse_2d
        ):
            raise ValueError("losses need a weight above 0 in space and one in the picture, or a part learns nothing")

    @classmethod
    def paper(cls) -> "LossConfig":
        """Eq. 10–12."""
        return cls()

    @classmethod
    def released(cls) -> "LossConfig":
        """As the authors' code has it."""
        return cls("smooth", "mse", joints_2d=0.0, edge=2000.0, coarse=100.0, coarse_2d=50.0, upsampling=1.0)


class Losses:
    """Computes the terms for one pair of hand models, on one device."""

    def __init__(
        self,
        config: LossConfig,
        faces: Mapping[Side, Int[Tensor, "f 3"]],
        regressors: JointRegressors,
        pooling: Float[Tensor, "n v"],
    ) -> None:
        """`pooling` makes the finest nodes of vertices, see `MeshLevels.pooling`."""
        self.config, self.faces, self.regressors, self.pooling = config, faces, regressors, pooling

    def __call__(
        self, prediction: Prediction, targets: Targets, done: float = 1.0, change: Tensor | None = None
    ) -> dict[str, Float[Tensor, ""]]:
        """Weighted terms by name, those of weight 0 left out; their sum is what is minimised.

        Args:
            done: share of the training that is over.
            change: how far the trained U is from where it began; None where it is not trained.
        """
        with torch.autocast(targets.scale.device.type, enabled=False):
            hands = [self._of_hand(side, prediction, targets.hand(side)) for side in Side]
            weights = {name: getattr(self.config, name) for name in hands[0]}
            weights["edge"] *= done >= self.config.edge_from
            terms = {name: w * torch.stack([hand[name] for hand in hands]).mean() for name, w in weights.items() if w}
            if change is not None and self.config.upsampling:
                terms["upsampling"] = self.config.upsampling * _NORMS[self.config.norm_3d](change.float()).mean()
            return terms

    def _of_hand(self, side: Side, prediction: Prediction, true: HandTarget) -> dict[str, Float[Tensor, "b"]]:
        """Each term for each image, not weighted, 0 where the label is missing."""
        found = HandPrediction(*(value.float() for value in prediction.side(side)))
        surface = true.has_vertices
        drawn, drawn_joints = surface & true.is_in_front, true.has_joints & true.is_in_front
        joints = self.regressors(side, found.vertices)
        place = lambda points: weak_perspective(points, found.camera)  # noqa: E731
        space, picture = self.config.norm_3d, self.config.norm_2d
        directions, lengths = self._edges(side, found.vertices, true.vertices)
        return {
            "vertices": _apart(space, found.vertices - true.vertices, surface),
            "joints": _apart(space, joints - true.joints, true.has_joints),
            "vertices_2d": _apart(picture, place(found.vertices) - true.vertices_2d, drawn),
            "joints_2d": _apart(picture, place(joints) - true.joints_2d, drawn_joints),
            "normal": _apart(space, directions, surface),
            "edge": _apart(space, lengths, surface),
            "coarse": _apart(space, found.coarse - self.pooling @ true.vertices, surface),
            "coarse_2d": _apart(picture, place(found.coarse) - self.pooling @ true.vertices_2d, drawn),
        }

    def _edges(
        self, side: Side, predicted: Float[Tensor, "b v 3"], true: Float[Tensor, "b v 3"]
    ) -> tuple[Float[Tensor, "b f 3"], Float[Tensor, "b f 3"]]:
        """How far each predicted edge of a face leans along the true normal (its sine), and how much too long it is."""
        edges, true_edges = (_edges_of(points, self.faces[side]) for points in (predicted, true))
        normals = torch.nn.functional.normalize(
            torch.linalg.cross(true_edges[..., 0, :], true_edges[..., 1, :]), dim=-1
        )
        lengths, true_lengths = edges.norm(dim=-1), true_edges.norm(dim=-1)
        leaning = (edges * normals[..., None, :]).sum(-1) / lengths.clamp_min(_SHORTEST)
        return leaning, lengths - true_lengths


def _edges_of(points: Float[Tensor, "b v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "b f 3 3"]:
    """The three edges of each face, around it."""
    corners = points[:, faces]
    return corners.roll(-1, dims=2) - corners


def _apart(norm: str, difference: Float[Tensor, "b n d"], has: Bool[Tensor, "b"]) -> Float[Tensor, "b"]:
    """The norm of differences, mean over an image's numbers; 0 where there is no label."""
    return torch.where(has, _NORMS[norm](difference).flatten(1).mean(1), 0.0)

"""The frame in which TransHand sees hands: from surfaces before a camera to what it learns, and back.

Axes are the camera's. The origin is the left hand's middle MCP, and one number a sample scales all lengths so that the mean
over both hands of the bone from wrist to middle MCP is `bone` (0.095 m in the code that the paper's authors published,
github.com/adwardlee/RenderIH, where each hand is first brought to its own root and the right one then moved by the vector
between the roots: the same). The picture of s × s pixels is [−1, 1]².

Joints are told from surfaces, in truth as in predictions, by averages of vertices: `surface_regressor`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.joints import JOINTS_21, Side
from hands.model import HandArrays
from models.two_hand_metrics.surface_joints import surface_joints, surface_regressor

ROOT, WRIST = JOINTS_21.index("middle_1"), JOINTS_21.index("wrist")
BONE = 0.095
"""Metres from wrist to middle MCP that hands are scaled to, as released."""
_SHORTEST = 1e-3
"""Metres. No hand has a shorter bone."""
_NEAR = 1e-2
"""Metres before the camera; what is nearer has no sound place in the picture."""


@dataclass(frozen=True, eq=False)
class JointRegressors:
    """What tells the 21 joints of each hand from its surface."""

    rows: dict[Side, Float[Tensor, "16 v"]]
    tips: dict[Side, tuple[int, ...]]

    @classmethod
    def of(cls, arrays: Mapping[Side, HandArrays]) -> "JointRegressors":
        """Those of two hand models, float32."""
        rows = {side: surface_regressor(arrays[side]).float() for side in Side}
        return cls(rows, {side: arrays[side].tips for side in Side})

    def to(self, device: str | torch.device) -> "JointRegressors":
        """The same on another device."""
        return JointRegressors({side: rows.to(device) for side, rows in self.rows.items()}, self.tips)

    def __call__(self, side: Side, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 21 3"]:
        """Joints in the order of `JOINTS_21`, in the unit and frame of the vertices."""
        return surface_joints(vertices, self.rows[side].to(vertices), self.tips[side])


@dataclass(frozen=True, eq=False)
class HandTarget:
    """What is learnt of one hand of b images. Every number is finite; those that are not known are 0, and the masks say so."""

    vertices: Float[Tensor, "b v 3"]
    """The network's frame."""
    joints: Float[Tensor, "b 21 3"]
    """The network's frame."""
    vertices_2d: Float[Tensor, "b v 2"]
    """Picture, [−1, 1] where it shows them."""
    joints_2d: Float[Tensor, "b 21 2"]
    has_vertices: Bool[Tensor, "b"]
    has_joints: Bool[Tensor, "b"]
    is_in_front: Bool[Tensor, "b"]
    """Whether all that is known of it lies before the camera: else its places in the picture mean nothing."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "HandTarget":
        """The same with every tensor changed."""
        return HandTarget(*(change(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Targets:
    """What is learnt of both hands."""

    right: HandTarget
    left: HandTarget
    scale: Float[Tensor, "b"]
    """Metres in one unit of the network's frame; 1 where nothing is known."""

    def __len__(self) -> int:
        return len(self.scale)

    def hand(self, side: Side) -> HandTarget:
        """Of one hand."""
        return self.right if side is Side.RIGHT else self.left

    def map(self, change: Callable[[Tensor], Tensor]) -> "Targets":
        """The same with every tensor changed."""
        return Targets(self.right.map(change), self.left.map(change), change(self.scale))

    @staticmethod
    def joined(targets: "Sequence[Targets]") -> "Targets":
        """One batch of several."""
        first = targets[0]
        hand = lambda side: HandTarget(  # noqa: E731
            *(torch.cat([getattr(one.hand(side), field.name) for one in targets]) for field in fields(HandTarget))
        )
        return first if len(targets) == 1 else Targets(*map(hand, Side), torch.cat([one.scale for one in targets]))


@torch.no_grad()
def targets_of(
    vertices: Mapping[Side, Float[Tensor, "b v 3"]],
    K: Float[Tensor, "b 3 3"],
    size: int,
    regressors: JointRegressors,
    bone: float = BONE,
    joints: Mapping[Side, Float[Tensor, "b 21 3"]] | None = None,
) -> Targets:
    """What a network should answer.

    Args:
        vertices: of both hands, camera frame, metres; NaN for a hand whose surface is not known.
        K: intrinsics of the pictures, pixels.
        size: side of the pictures, pixels.
        bone: length that hands are scaled to, metres; 0: they stay as they are.
        joints: for hands whose surface is not known, camera frame, metres; NaN where these are not known either.

    Where the left hand's root is not known nothing is learnt of either hand. Where only the left hand is known, its bone alone
    decides the scale.
    """
    found = {side: _joints(side, vertices[side], regressors, joints) for side in Side}
    root = found[Side.LEFT][:, ROOT]
    scale = scale_of(torch.stack([bone_length(found[side]) for side in Side]).nanmean(0), bone)
    known = root.isfinite().all(-1) & scale.isfinite()
    scale = torch.where(known, scale, torch.ones_like(scale))
    hands = [_target(vertices[side], found[side], root, scale, known, K, size) for side in Side]
    return Targets(*hands, scale)


def bone_length(joints: Float[Tensor, "b 21 3"]) -> Float[Tensor, "b"]:
    """From wrist to middle MCP, in the unit of the joints."""
    return (joints[:, ROOT] - joints[:, WRIST]).norm(dim=-1)


def scale_of(length: Float[Tensor, "b"], bone: float = BONE) -> Float[Tensor, "b"]:
    """Metres in one unit of the network's frame for hands whose bone, the mean of both, is `length` metres."""
    return length.clamp_min(_SHORTEST) / bone if bone else torch.where(length.isfinite(), 1.0, length)


def to_camera(points: Float[Tensor, "b n 3"], scale: Float[Tensor, "b"] | float = 1.0) -> Float[Tensor, "b n 3"]:
    """Points of the network's frame in metres, camera axes, about the left hand's middle MCP.

    Args:
        scale: metres in one unit, from the truth or by `scale_of` from a known bone; 1 for hands of unknown size, which
            then have the bone that the network was trained with.
    """
    return points * torch.as_tensor(scale).to(points).view(-1, 1, 1)


def weak_perspective(points: Float[Tensor, "b n 3"], camera: Float[Tensor, "b 3"]) -> Float[Tensor, "b n 2"]:
    """Points of the network's frame in the picture, by a hand's own camera (scale, x, y): 2 · scale · (x, y) + (tx, ty)."""
    return 2 * camera[:, None, :1] * points[..., :2] + camera[:, None, 1:]


def to_plane(pixels: Float[Tensor, "*b 2"], size: int) -> Float[Tensor, "*b 2"]:
    """Pixels of a picture of `size` × `size` in [−1, 1]²; pixel (0, 0) covers [0, 1)²."""
    return 2 * pixels / size - 1


def to_pixels(places: Float[Tensor, "*b 2"], size: int) -> Float[Tensor, "*b 2"]:
    """The inverse of `to_plane`."""
    return (places + 1) * size / 2


def _joints(
    side: Side,
    vertices: Float[Tensor, "b v 3"],
    regressors: JointRegressors,
    labelled: Mapping[Side, Float[Tensor, "b 21 3"]] | None,
) -> Float[Tensor, "b 21 3"]:
    """Told from the surface where it is known, else as labelled."""
    found = regressors(side, vertices)
    if labelled is None:
        return found
    return torch.where(_is_known(vertices)[:, None, None], found, labelled[side])


def _target(
    vertices: Float[Tensor, "b v 3"],
    joints: Float[Tensor, "b 21 3"],
    root: Float[Tensor, "b 3"],
    scale: Float[Tensor, "b"],
    known: Bool[Tensor, "b"],
    K: Float[Tensor, "b 3 3"],
    size: int,
) -> HandTarget:
    has_vertices, has_joints = (_is_known(points) & known for points in (vertices, joints))
    framed = lambda points, has: _or_zero((points - root[:, None]) / scale[:, None, None], has)  # noqa: E731
    is_in_front = (joints[..., 2] > _NEAR).all(1) & ((vertices[..., 2] > _NEAR).all(1) | ~has_vertices)
    placed = lambda points, has: _or_zero(to_plane(_projected(points, K), size), has & is_in_front)  # noqa: E731
    return HandTarget(
        framed(vertices, has_vertices),
        framed(joints, has_joints),
        placed(vertices, has_vertices),
        placed(joints, has_joints),
        has_vertices,
        has_joints,
        is_in_front,
    )


def _projected(points: Float[Tensor, "b n 3"], K: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b n 2"]:
    seen = points @ K.mT
    return seen[..., :2] / seen[..., 2:]


def _is_known(points: Float[Tensor, "b n 3"]) -> Bool[Tensor, "b"]:
    return points.isfinite().flatten(1).all(1)


def _or_zero(values: Float[Tensor, "b n d"], has: Bool[Tensor, "b"]) -> Float[Tensor, "b n d"]:
    """Zeros instead of NaN: even multiplied by 0 these would end up in gradients."""
    return torch.where(has[:, None, None], values, torch.zeros_like(values))

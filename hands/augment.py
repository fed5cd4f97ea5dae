"""New poses from old: random bend and splay offsets inside the joint limits (RenderIH Eq. 1)."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hands.anatomy import angles_to_hand_pose, hand_pose_to_angles, joint_frames, limits
from hands.joints import Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.random_streams import stream
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle

KNUCKLES = [1, 4, 7, 10]
"""Roots of the four fingers, in MANO's order."""


@dataclass(frozen=True)
class AugmentationConfig:
    """How many variations of a raw pose, and how far from it."""

    copies: int = 30
    """Variations of each raw pose (I in Eq. 1); the raw pose itself is kept besides, as number 0."""
    bend_degrees: float = 90.0
    """Largest bend offset of any joint."""
    splay_degrees: float = 30.0
    """Largest splay offset of a root joint."""
    shape_sigma: float = 0.8
    """Standard deviation of the person's shape coefficients, cut at two sigma; both hands share them. 0: raw shape."""
    turn_degrees: float = 0.0
    """Largest turn of the left hand about its palm's centre, about any axis; 0: none, as in the paper."""
    shift_mm: float = 0.0
    """Largest shift of the left hand, in any direction; 0: none, as in the paper."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.copies < 0:
            raise ValueError(f"augmentation.copies is {self.copies}, must be 0 or more")
        tops = {"bend_degrees": 180, "splay_degrees": 90, "shape_sigma": 2, "turn_degrees": 180, "shift_mm": 100}
        for name, top in tops.items():
            if not 0 <= getattr(self, name) <= top:
                raise ValueError(f"augmentation.{name} is {getattr(self, name)}, must lie between 0 and {top}")


def augment(
    poses: TwoHandPose, names: list[str], hands: dict[Side, HandModel], config: AugmentationConfig, seed: int
) -> TwoHandPose:
    """One variation of each pose; `names[i]` alone (with the seed) decides the numbers of pose i.

    Offsets are added to the joint's bend and splay angles, drawn uniformly from what is left of the limits: for hinge
    joints this is Eq. 1's `R_j R_b R_s`; for root joints it keeps the twist at zero, which the product would not. Angles
    of the raw pose outside Table 2 are first brought to the nearest allowed value, so no result is outside.
    """
    draws = torch.as_tensor(np.stack([stream(seed, name, "angles").random((2, 15, 3)) for name in names]))
    sides = {side: _augment_hand(poses.side(side), draws[:, i], hands[side], config) for i, side in enumerate(Side)}
    return TwoHandPose(sides[Side.RIGHT], sides[Side.LEFT])


def place_anew(
    poses: TwoHandPose, names: list[str], hands: dict[Side, HandModel], config: AugmentationConfig, seed: int
) -> TwoHandPose:
    """The left hand meets the right one elsewhere and at another angle: turned about its palm's centre, then shifted.

    Axis and direction are uniform over the sphere, angle and distance over what is allowed. The paper leaves hands where they
    are in the raw pose; a few hundred variations of one gesture then share one relative rotation.
    """
    if not config.turn_degrees and not config.shift_mm:
        return poses
    draws = torch.as_tensor(np.stack([_placement(stream(seed, name, "placement")) for name in names]))
    turn = axis_angle_to_matrix(draws[:, 0] * math.radians(config.turn_degrees))
    left, model = poses.left, HandModel(hands[Side.LEFT].arrays, torch.float64)
    before = axis_angle_to_matrix(left.global_orient.double())
    after = turn @ before
    rest = model.rest_joints(left.betas.double())
    palm = rest[:, [0, *KNUCKLES]].mean(1) - rest[:, 0]
    transl = left.transl + ((before - after) @ palm[..., None])[..., 0] + draws[:, 1] * config.shift_mm / 1000
    orient = matrix_to_axis_angle(after).to(left.global_orient)
    return replace(poses, left=replace(left, global_orient=orient, transl=transl.to(left.transl)))


def _placement(draws: np.random.Generator) -> Float[np.ndarray, "2 3"]:
    """A rotation vector and an offset, each at most 1 long."""
    directions = draws.standard_normal((2, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * draws.random((2, 1))


def reshape_people(
    poses: TwoHandPose, names: list[str], hands: dict[Side, HandModel], config: AugmentationConfig, seed: int
) -> TwoHandPose:
    """Another person does the same: shape coefficients drawn per name, hand positions scaled with the hands' size."""
    if config.shape_sigma == 0:
        return poses
    draws = np.stack([stream(seed, name, "shape").standard_normal(10) for name in names])
    betas = torch.as_tensor(np.clip(draws, -2, 2) * config.shape_sigma).to(poses.right.betas)
    sides = {side: _with_shape(poses.side(side), betas, hands[side]) for side in Side}
    return TwoHandPose(sides[Side.RIGHT], sides[Side.LEFT])


def _augment_hand(
    pose: HandPose, draws: Float[Tensor, "b 15 3"], model: HandModel, config: AugmentationConfig
) -> HandPose:
    frames = joint_frames(model).double()  # float32 would show the size of the batch in the last digit
    low, high = limits(torch.float64)
    angles = hand_pose_to_angles(pose.hand_pose.double(), frames).clamp(low, high)
    reach = torch.tensor([math.radians(config.bend_degrees), math.radians(config.splay_degrees), 0.0]).to(angles)
    least, most = torch.maximum(low, angles - reach), torch.minimum(high, angles + reach)
    varied = least + (most - least) * draws.to(angles)
    return replace(pose, hand_pose=angles_to_hand_pose(varied, frames).to(pose.hand_pose))


def _with_shape(pose: HandPose, betas: Float[Tensor, "b 10"], model: HandModel) -> HandPose:
    """The wrist moves away from the world's origin as much as the hand grows."""
    before, after = model.rest_joints(pose.betas), model.rest_joints(betas)
    size = lambda rest: (rest[:, KNUCKLES].mean(1) - rest[:, 0]).norm(dim=-1, keepdim=True)  # noqa: E731
    ratio = size(after) / size(before)
    wrist = before[:, 0] + pose.transl
    return replace(pose, betas=betas, transl=wrist * ratio - after[:, 0])

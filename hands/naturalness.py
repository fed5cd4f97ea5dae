"""What pose optimisation asks of a judge of naturalness; `models.discriminator` is one."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from hands.anatomy import anatomical_rotations, hand_pose_to_angles, joint_frames
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose

Naturalness = Callable[[Float[Tensor, "*b 15 3 3"]], Float[Tensor, "*b"]]
"""From a hand's joint rotations in their anatomical frames to the probability that the pose is natural."""


def adversarial_loss(probability: Float[Tensor, "b 2"]) -> Float[Tensor, "b"]:
    """L_adv of RenderIH Eq. 8 over both hands: Σ (D(Θ) − 1)²."""
    return (probability - 1).square().sum(-1)


def naturalness_of(poses: TwoHandPose, hands: dict[Side, HandModel], natural: Naturalness) -> Float[Tensor, "b"]:
    """Probability of the less natural hand of each pose, by a float64 judge; in the last digits the batch may show."""
    found = []
    for side in Side:
        frames = joint_frames(HandModel(hands[side].arrays, torch.float64))
        angles = hand_pose_to_angles(poses.side(side).hand_pose.double(), frames)
        found.append(natural(anatomical_rotations(angles)))
    return torch.minimum(*found)

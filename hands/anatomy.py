"""Twist–splay–bend angles of finger joints and their limits, for any hand with MANO's arrays.

A-MANO (Yang et al., CPF, ICCV 2021; RenderIH §3.1) gives each finger joint a Cartesian frame: twist along the bone, bend
across it, splay between them. Here a joint's rotation is `E = R_bend · R_splay · R_twist` in that frame, so a flat hand
has all angles zero and both hands use the same signs: bend > 0 closes the finger, splay > 0 moves it towards the little
finger. Angles are ordered (bend, splay, twist), in radians; joints are MANO's 1–15.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.joints import FINGER_JOINTS, FINGERS, Side
from hands.model import HandModel
from hands.pose import HandPose
from hands.rotations import axis_angle_to_matrix, axis_rotation, matrix_to_axis_angle

BEND, SPLAY, TWIST = 0, 1, 2

LIMITS_DEGREES = {
    "thumb": ((-20, 40), (-30, 30), (-8, 50), (-10, 100)),
    "index": ((-25, 70), (-25, 15), (-4, 110), (-8, 90)),
    "middle": ((-25, 80), (-15, 15), (-7, 100), (-8, 90)),
    "ring": ((-25, 70), (-25, 15), (-10, 100), (-8, 90)),
    "pinky": ((-22, 70), (-20, 30), (-8, 90), (-8, 90)),
}
"""RenderIH Table 2: root bend, root splay, middle bend, end bend. Every other angle is fixed at zero."""


class PalmFrame(NamedTuple):
    """Orthonormal directions of a flat hand and the centre of its palm (metres, the hand's own rest frame)."""

    distal: Float[Tensor, "3"]
    palmar: Float[Tensor, "3"]
    radial: Float[Tensor, "3"]
    centre: Float[Tensor, "3"]


def palm_frame(model: HandModel) -> PalmFrame:
    """Where the mean hand's fingers point, its palm faces and its thumb lies."""
    rest = model.joint_template
    index, middle, ring, pinky = (rest[FINGER_JOINTS[f][0]] for f in ("index", "middle", "ring", "pinky"))
    knuckles = (index + middle + ring + pinky) / 4
    distal = torch.nn.functional.normalize((middle + ring) / 2 - rest[0], dim=0)
    handedness = 1 if model.side is Side.RIGHT else -1
    palmar = handedness * torch.linalg.cross(index - rest[0], pinky - rest[0])
    palmar = torch.nn.functional.normalize(palmar - distal * (palmar @ distal), dim=0)
    radial = handedness * torch.linalg.cross(distal, palmar)
    return PalmFrame(distal, palmar, radial, (rest[0] + knuckles) / 2)


def forearm_direction(pose: HandPose, model: HandModel) -> Float[Tensor, "b 3"]:
    """Unit direction from wrist to elbow of posed hands, as far as a hand without a forearm can tell."""
    return -axis_angle_to_matrix(pose.global_orient) @ palm_frame(model).distal


def joint_frames(model: HandModel) -> Float[Tensor, "15 3 3"]:
    """Rotation matrices whose columns are the (twist, splay, bend) axes of joints 1–15 on the flat mean hand.

    Mirrored hands have mirrored axes, so that equal angles make mirrored poses.
    """
    palm = palm_frame(model)
    thumb_palmar = palm.distal + palm.palmar - palm.radial
    tips = model.v_template[list(model.arrays.tips)]
    frames = torch.empty(15, 3, 3, dtype=tips.dtype, device=tips.device)
    for finger, tip in zip(FINGERS, tips, strict=True):
        joints = FINGER_JOINTS[finger]
        chain = torch.cat([model.joint_template[list(joints)], tip[None]])
        bones = torch.nn.functional.normalize(chain.diff(dim=0), dim=-1)
        palmar = thumb_palmar if finger == "thumb" else palm.palmar
        for joint, bone in zip(joints, bones, strict=True):
            bend = torch.nn.functional.normalize(torch.linalg.cross(bone, palmar), dim=0)
            twist = bone if model.side is Side.RIGHT else -bone
            frames[joint - 1] = torch.stack([twist, torch.linalg.cross(bend, twist), bend], dim=-1)
    return frames


def anatomical_rotations(angles: Float[Tensor, "*b 15 3"]) -> Float[Tensor, "*b 15 3 3"]:
    """Rotations in each joint's own (twist, splay, bend) frame: the same matrices for mirrored poses of both hands."""
    return (
        axis_rotation(2, angles[..., BEND])
        @ axis_rotation(1, angles[..., SPLAY])
        @ axis_rotation(0, angles[..., TWIST])
    )


def angles_to_rotations(
    angles: Float[Tensor, "*b 15 3"], frames: Float[Tensor, "15 3 3"]
) -> Float[Tensor, "*b 15 3 3"]:
    """Local joint rotations from (bend, splay, twist), radians."""
    return frames @ anatomical_rotations(angles) @ frames.mT


def rotations_to_angles(
    rotations: Float[Tensor, "*b 15 3 3"], frames: Float[Tensor, "15 3 3"]
) -> Float[Tensor, "*b 15 3"]:
    """The inverse of `angles_to_rotations` for |splay| < 90°: bend and twist over the whole circle."""
    local = frames.mT @ rotations @ frames
    bend = torch.atan2(local[..., 1, 0], local[..., 0, 0])
    splay = torch.atan2(-local[..., 2, 0], torch.hypot(local[..., 0, 0], local[..., 1, 0]))
    twist = torch.atan2(local[..., 2, 1], local[..., 2, 2])
    return torch.stack([bend, splay, twist], dim=-1)


def angles_to_hand_pose(angles: Float[Tensor, "*b 15 3"], frames: Float[Tensor, "15 3 3"]) -> Float[Tensor, "*b 45"]:
    """MANO's full axis-angle finger pose from joint angles."""
    return matrix_to_axis_angle(angles_to_rotations(angles, frames)).flatten(-2)


def hand_pose_to_angles(hand_pose: Float[Tensor, "*b 45"], frames: Float[Tensor, "15 3 3"]) -> Float[Tensor, "*b 15 3"]:
    """Joint angles of a full axis-angle finger pose."""
    return rotations_to_angles(axis_angle_to_matrix(hand_pose.unflatten(-1, (15, 3))), frames)


def limits(dtype: torch.dtype = torch.float32) -> tuple[Float[Tensor, "15 3"], Float[Tensor, "15 3"]]:
    """Lowest and highest (bend, splay, twist) of joints 1–15 in radians (Table 2; zero where no motion is allowed)."""
    low, high = torch.zeros(15, 3, dtype=dtype), torch.zeros(15, 3, dtype=dtype)
    for finger, (root_bend, root_splay, middle_bend, end_bend) in LIMITS_DEGREES.items():
        root, middle, end = (joint - 1 for joint in FINGER_JOINTS[finger])
        cells = ((root, BEND, root_bend), (root, SPLAY, root_splay), (middle, BEND, middle_bend), (end, BEND, end_bend))
        for joint, angle, (lowest, highest) in cells:
            low[joint, angle], high[joint, angle] = math.radians(lowest), math.radians(highest)
    return low, high


def limit_excess(angles: Float[Tensor, "*b 15 3"]) -> Float[Tensor, "*b 15 3"]:
    """β(θ) of Eq. 6: how far each angle is outside its range, signed, radians."""
    low, high = (bound.to(angles) for bound in limits(angles.dtype))
    return (angles - high).clamp_min(0) + (angles - low).clamp_max(0)


def anatomy_loss(angles: Float[Tensor, "b 15 3"]) -> Float[Tensor, "b"]:
    """L_a of RenderIH Eq. 6: squared excess over the limits, summed over one hand, radians²."""
    return limit_excess(angles).square().sum((-1, -2))


def movable() -> Bool[Tensor, "15 3"]:
    """Which of the 45 angles Table 2 lets move: 15 bends and 5 splays."""
    low, high = limits()
    return high > low

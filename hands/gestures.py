"""Named two-hand interactions: joint angles of both hands and where the hands are on a stage.

Stage: the person's own view. x to the right, y forward (away from the person), z up; the origin lies between the hands.
Lengths in a gesture are centimetres and degrees because people write them; everything computed is metres and radians.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from hands.anatomy import BEND, SPLAY, angles_to_hand_pose, joint_frames, palm_frame
from hands.joints import FINGER_JOINTS, FINGERS
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.rotations import matrix_to_axis_angle


@dataclass(frozen=True)
class GestureHand:
    """One hand of a gesture, for the mean hand shape."""

    centre: tuple[float, float, float]
    """Palm centre on the stage, cm."""
    points: tuple[float, float, float]
    """Direction in which straight fingers would point."""
    faces: tuple[float, float, float]
    """Direction in which the palm faces; made perpendicular to `points`."""
    fingers: dict[str, tuple[float, float, float, float]]
    """Finger name to (root bend, root splay, middle bend, end bend) in degrees."""

    def mirrored(self) -> "GestureHand":
        """The other hand doing the same, reflected in x."""
        flip = lambda v: (-v[0], v[1], v[2])  # noqa: E731
        return GestureHand(flip(self.centre), flip(self.points), flip(self.faces), self.fingers)


@dataclass(frozen=True)
class Gesture:
    """A named interaction of two hands."""

    name: str
    description: str
    right: GestureHand
    left: GestureHand
    touching: bool = True
    """Whether the hands are meant to be in contact."""
    tags: tuple[str, ...] = field(default=())
    split: str = "train"
    """The split that the gesture and all its variations belong to: train, validation or test."""


def gesture_pose(gesture: Gesture, right: HandModel, left: HandModel) -> TwoHandPose:
    """The gesture as a batch of one two-hand pose with mean shapes."""
    return TwoHandPose(_hand_pose(gesture.right, right), _hand_pose(gesture.left, left))


def gesture_angles(hand: GestureHand, dtype: torch.dtype = torch.float32) -> Float[Tensor, "15 3"]:
    """(bend, splay, twist) of joints 1–15 in radians."""
    angles = torch.zeros(15, 3, dtype=dtype)
    for finger in FINGERS:
        root_bend, root_splay, middle_bend, end_bend = (math.radians(a) for a in hand.fingers[finger])
        root, middle, end = (joint - 1 for joint in FINGER_JOINTS[finger])
        angles[root, BEND], angles[root, SPLAY] = root_bend, root_splay
        angles[middle, BEND], angles[end, BEND] = middle_bend, end_bend
    return angles


def _hand_pose(hand: GestureHand, model: HandModel) -> HandPose:
    dtype = model.v_template.dtype
    palm = palm_frame(model)
    source = torch.stack([palm.distal, palm.palmar, torch.linalg.cross(palm.distal, palm.palmar)], dim=-1)
    points = torch.nn.functional.normalize(torch.tensor(hand.points, dtype=dtype), dim=0)
    faces = torch.tensor(hand.faces, dtype=dtype)
    faces = torch.nn.functional.normalize(faces - points * (faces @ points), dim=0)
    target = torch.stack([points, faces, torch.linalg.cross(points, faces)], dim=-1)
    rotation = target @ source.mT
    wrist = model.joint_template[0]
    centre = torch.tensor(hand.centre, dtype=dtype) / 100
    transl = centre - wrist - rotation @ (palm.centre - wrist)
    pose = angles_to_hand_pose(gesture_angles(hand, dtype)[None], joint_frames(model))
    zeros = torch.zeros(1, 10, dtype=dtype)
    return HandPose(matrix_to_axis_angle(rotation)[None], pose, zeros, transl[None])

"""Conversions between other people's MANO parameters and this project's."""

from dataclasses import replace
from enum import Enum

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dataset.readers.frame import PlacedHand
from hands.joints import Side
from hands.model import HandArrays, HandModel
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix
from hands.selection import with_shape


class FingerAngles(Enum):
    """How a file stores the 45 finger numbers; owns the conversion to full axis-angle in radians."""

    FULL = "axis-angle, the mean already added"
    MINUS_MEAN = "axis-angle without the model's mean pose (smplx: flat_hand_mean=False)"
    PCA = "45 coefficients of the model's pose directions, without the mean pose (manopth: use_pca, ncomps 45)"

    def to_full(self, stored: Float[np.ndarray, "45"], arrays: HandArrays) -> Float[np.ndarray, "45"]:
        """Full axis-angle. The mean and the directions belong to the hand model's file, left and right each their own."""
        if self is FingerAngles.FULL:
            return stored
        offset = stored @ arrays.hands_components if self is FingerAngles.PCA else stored
        return arrays.hands_mean + offset


def with_unmended_shapedirs(arrays: HandArrays) -> HandArrays:
    """The hand as published: `shapedirs` of the left one with the right one's x sign (smplx issue 48)."""
    return replace(arrays, shapedirs=arrays.shapedirs * np.array([-1.0, 1.0, 1.0])[:, None])


def from_unmended(betas: Float[np.ndarray, "10"], arrays: HandArrays) -> Float[np.ndarray, "10"]:
    """Coefficients with which the mended hand comes nearest (least squares) to what `betas` makes of the published one."""
    return nearest_shape(betas, with_unmended_shapedirs(arrays), arrays)


def nearest_shape(betas: Float[np.ndarray, "10"], theirs: HandArrays, ours: HandArrays) -> Float[np.ndarray, "10"]:
    """Coefficients with which our hand comes nearest (least squares) to what `betas` makes of theirs."""
    wanted = theirs.shapedirs @ betas
    return np.linalg.lstsq(ours.shapedirs.reshape(-1, 10), wanted.ravel(), rcond=None)[0]


def nearest_hand(hand: PlacedHand, theirs: HandModel, ours: HandModel) -> PlacedHand:
    """Our hand that comes nearest to theirs, in the same pose and with its wrist in the same place."""
    betas = nearest_shape(hand.betas, theirs.arrays, ours.arrays)
    wrist = lambda model, values: model.rest_joints(torch.as_tensor(values, dtype=torch.float32)[None])[0, 0]  # noqa: E731
    shift = wrist(theirs, hand.betas) - wrist(ours, betas)
    return replace(hand, betas=betas, transl=hand.transl + shift.numpy())


def rotation_to_z(up: tuple[float, float, float]) -> Float[np.ndarray, "3 3"]:
    """The shortest rotation that turns `up` (a unit vector) into the world's vertical."""
    axis, cosine = np.cross(up, [0.0, 0.0, 1.0]), up[2]
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3) if cosine > 0 else np.diag([1.0, -1.0, -1.0])
    rotvec = torch.as_tensor(axis / sine * np.arctan2(sine, cosine))
    return axis_angle_to_matrix(rotvec).numpy()


def one_shape_per_person(poses: TwoHandPose, people: list[str], hands: dict[Side, HandModel]) -> TwoHandPose:
    """Each named person's mean shape, hand by hand, for all their frames; wrists stay where they are.

    Some fits change the shape from frame to frame (InterHand2.6M issue 159). Poses of nobody ("") are left alone.
    """
    numbers = {person: number for number, person in enumerate(dict.fromkeys(people))}
    rows = torch.tensor([numbers[person] for person in people])
    known = torch.tensor([person != "" for person in people])[:, None]
    return TwoHandPose(*(_mean_shapes(poses.side(side), rows, known, hands[side]) for side in Side))


def _mean_shapes(pose: HandPose, people: Int[Tensor, "n"], known: Bool[Tensor, "n 1"], model: HandModel) -> HandPose:
    total = torch.zeros(int(people.max()) + 1, 10, dtype=pose.betas.dtype).index_add_(0, people, pose.betas)
    means = total / torch.bincount(people)[:, None]
    return with_shape(pose, torch.where(known, means[people], pose.betas), model)

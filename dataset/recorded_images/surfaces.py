"""Hands of moments posed by the hand layer, a few at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int

from dataset.recorded_images.recording import PARAMETERS
from hands.joints import Side
from hands.model import HandModel
from hands.pose import HandPose

_AT_ONCE = 256


def pose_of_numbers(parameters: Float[np.ndarray, "b 61"]) -> HandPose:
    """The poses that rows of numbers are."""
    parts = np.split(parameters, np.cumsum(PARAMETERS)[:-1], axis=1)
    return HandPose(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def joints_of(
    parameters: Float[np.ndarray, "m 2 61"], given: Float[np.ndarray, "m 2 21 3"], hands: dict[Side, HandModel]
) -> Float[np.ndarray, "m 2 21 3"]:
    """The layer's joints of hands with parameters, the given ones of the others; metres."""
    joints = given.copy()
    for number, side in enumerate(Side):
        known = np.isfinite(parameters[:, number]).all(1).nonzero()[0]
        for rows in blocks(known):
            pose = pose_of_numbers(parameters[rows, number])
            with torch.no_grad():
                found = hands[side].joints_21_alone(pose.global_orient, pose.hand_pose, pose.betas, pose.transl)
            joints[rows, number] = found.numpy()
    return joints


def blocks(rows: Int[np.ndarray, "r"]) -> Iterator[Int[np.ndarray, "k"]]:
    """The same rows, a few at a time."""
    for first in range(0, len(rows), _AT_ONCE):
        yield rows[first : first + _AT_ONCE]

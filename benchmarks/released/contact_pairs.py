"""Anchor pairs as the release finds them: pose by pose, in a Python loop over the anchors of the left hand."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

NEAREST = 4
"""Partners of each left anchor."""
OPPOSED = -0.6
"""Anchors may pair when the dot product of their normals is at most this."""
BUILT, REFRESHED = 0.015, 0.020
"""Reach of a pair in metres when it is found and when its stiffness is renewed."""
WEAKENED = 0.3
"""Factor on every stiffness."""


def stiffness_at(distance: Float[np.ndarray, "n"], reach: float) -> Float[np.ndarray, "n"]:
    """0.3 · (½ cos(π d / reach) + ½) below the reach, else 0."""
    return WEAKENED * np.where(distance < reach, 0.5 * np.cos(np.pi / reach * np.minimum(distance, reach)) + 0.5, 0)


def build_pairs(
    left: Float[np.ndarray, "n 3"],
    right: Float[np.ndarray, "m 3"],
    left_normals: Float[np.ndarray, "n 3"],
    right_normals: Float[np.ndarray, "m 3"],
) -> tuple[Int[np.ndarray, "n 4"], Float[np.ndarray, "n 4"]]:
    """The four nearest opposed right anchors of each left anchor, and the stiffness of these pairs (0: no pair)."""
    partner, stiffness = np.zeros((len(left), NEAREST), dtype=np.int64), np.zeros((len(left), NEAREST), left.dtype)
    opposed = left_normals @ right_normals.T <= OPPOSED
    for row, anchor in enumerate(left):
        distance = np.where(opposed[row], np.linalg.norm(right - anchor, axis=-1), np.inf)
        partner[row] = np.argsort(distance, kind="stable")[:NEAREST]
        stiffness[row] = stiffness_at(distance[partner[row]], BUILT)
    return partner, stiffness


def refresh_pairs(
    left: Float[np.ndarray, "n 3"], right: Float[np.ndarray, "m 3"], partner: Int[np.ndarray, "n 4"]
) -> Float[np.ndarray, "n 4"]:
    """Stiffness of known pairs from today's distances; normals are not looked at again."""
    stiffness = np.zeros(partner.shape, left.dtype)
    for row, anchor in enumerate(left):
        distance = np.linalg.norm(right - anchor, axis=-1)
        stiffness[row] = stiffness_at(distance[partner[row]], REFRESHED)
    return stiffness


def contact_loss(
    left: Float[Tensor, "b n 3"],
    right: Float[Tensor, "b m 3"],
    partner: Int[Tensor, "b n 4"],
    stiffness: Float[Tensor, "b n 4"],
) -> Float[Tensor, ""]:
    """Σ k ‖right − left‖² over all pairs of all poses, over the number of pairs with k > 0; square metres."""
    partners = right.gather(1, partner.flatten(1)[..., None].expand(-1, -1, 3)).unflatten(1, partner.shape[1:])
    energy = stiffness * (partners - left[:, :, None]).square().sum(-1)
    return energy.sum() / torch.count_nonzero(stiffness).clamp_min(1)

"""Predicted points brought onto true ones before they are compared, one hand of each image at a time. Metres."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.joints import JOINTS_21

WRIST = JOINTS_21.index("wrist")
MIDDLE_MCP = JOINTS_21.index("middle_1")
_SHORTEST = 1e-6
"""Metres. A hand whose bone has collapsed becomes huge, and wrong; it does not drop out of a mean as no number would."""


def relative(points: Float[Tensor, "b n 3"], root: Float[Tensor, "b 3"]) -> Float[Tensor, "b n 3"]:
    """Points as seen from a root."""
    return points - root[:, None]


def bone_scale(predicted: Float[Tensor, "b 21 3"], true: Float[Tensor, "b 21 3"]) -> Float[Tensor, "b"]:
    """What makes the predicted bone from wrist to middle MCP as long as the true one (RenderIH's and IntagHand's scaling)."""
    wanted, found = ((joints[:, MIDDLE_MCP] - joints[:, WRIST]).norm(dim=-1) for joints in (true, predicted))
    return wanted / found.clamp_min(_SHORTEST)


def similarity_aligned(points: Float[Tensor, "b n 3"], onto: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """Points turned (never mirrored), scaled and moved so that the squares of their distances to others are least.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (PAMI 1991); float64 inside.
    No numbers where a point or its goal is none.
    """
    known = is_known(points) & is_known(onto)
    x, y = (torch.where(known[:, None, None], given.double(), 0) for given in (points, onto))
    middle, goal = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    x, y = x - middle, y - goal
    u, size, vt = torch.linalg.svd(y.mT @ x)
    signs = torch.ones_like(size)
    signs[:, 2] = torch.linalg.det(u @ vt).sign()
    rotation = (u * signs[:, None]) @ vt
    scale = (size * signs).sum(-1) / x.square().sum((1, 2)).clamp_min(_SHORTEST**2)
    aligned = scale[:, None, None] * (x @ rotation.mT) + goal
    return torch.where(known[:, None, None], aligned, torch.nan).to(points.dtype)


def is_known(points: Float[Tensor, "b n 3"]) -> Bool[Tensor, "b"]:
    """Whether all of a hand's points are numbers."""
    return points.isfinite().flatten(1).all(1)

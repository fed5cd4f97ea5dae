"""The terms of the release that see one hand: quaternion norm, edge length, joint limits. Each is a mean over the batch."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hands.anatomy import BEND, SPLAY, limits
from hands.joints import FINGER_JOINTS
from hands.rotations import skew

FINGER_ROOTS = [FINGER_JOINTS[finger][0] - 1 for finger in ("index", "middle", "ring", "pinky")]
THUMB_ROOT, THUMB_MIDDLE = (joint - 1 for joint in FINGER_JOINTS["thumb"][:2])
HINGES = [joint for joint in range(15) if joint not in (*FINGER_ROOTS, THUMB_ROOT)]
RING_MIDDLE, PINKY_MIDDLE = (FINGER_JOINTS[finger][1] - 1 for finger in ("ring", "pinky"))


def quaternion_to_matrix(quaternion: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation of a quaternion (w, x, y, z) of any length above 0."""
    unit = torch.nn.functional.normalize(quaternion, dim=-1)
    cross = skew(unit[..., 1:])
    eye = torch.eye(3, dtype=unit.dtype, device=unit.device)
    return eye + 2 * unit[..., :1, None] * cross + 2 * cross @ cross


def norm_loss(quaternions: Float[Tensor, "b 15 4"]) -> Float[Tensor, ""]:
    """Mean (‖q‖² − 1)² over the 16 joints; the wrist's quaternion is fixed and of unit length."""
    return (quaternions.square().sum(-1) - 1).square().sum() / (16 * len(quaternions))


def edge_loss(
    vertices: Float[Tensor, "b v 3"], rest: Float[Tensor, "v 3"], edges: Int[Tensor, "e 2"]
) -> Float[Tensor, ""]:
    """Mean squared change of an edge's length against the flat mean hand, square metres."""
    length = lambda surface: (surface[..., edges[:, 0], :] - surface[..., edges[:, 1], :]).norm(dim=-1)  # noqa: E731
    return (length(vertices) - length(rest)).square().mean()


def ergonomic_loss(local: Float[Tensor, "b 15 3 3"]) -> Float[Tensor, ""]:
    """Joint limits on rotations in the joints' (twist, splay, bend) frames, see `hands.anatomy`.

    Ranges are those of `hands.anatomy`, with the release's −35° instead of −8° for the thumb's middle joint. The release
    counts splay towards the thumb, this project towards the little finger; the ranges here are not turned round for it, so
    that every optimiser is held to the limits by which it is judged.
    """
    low, high = (bound.clone() for bound in limits(local.dtype))
    low[THUMB_MIDDLE, BEND] = math.radians(-35)
    roots = [*FINGER_ROOTS, THUMB_ROOT]
    x, y, z = local.unbind(-1)
    bend, splay = torch.atan2(x[..., 1], x[..., 0]), torch.atan2(-x[:, roots, 2], x[:, roots, 0])
    loss = _excess(bend, low[:, BEND], high[:, BEND]) + _excess(splay, low[roots, SPLAY], high[roots, SPLAY])
    tilt = torch.stack([x[..., 2], y[..., 2], z[..., 2] - 1], dim=-1)[:, HINGES]
    loss = loss + tilt.square().mean((0, 1)).sum() + _twist_loss(local)
    closed = bend.clamp_min(0)
    lag = (closed[:, RING_MIDDLE] - 0.75 * closed[:, PINKY_MIDDLE]).clamp_max(0)
    return loss + lag.square().mean()


def _excess(angle: Float[Tensor, "b n"], low: Float[Tensor, "n"], high: Float[Tensor, "n"]) -> Float[Tensor, ""]:
    outside = (angle - high).clamp_min(0) + (angle - low).clamp_max(0)
    return outside.square().mean(0).sum()


def _twist_loss(local: Float[Tensor, "b 15 3 3"]) -> Float[Tensor, ""]:
    """Finger roots may not twist; the thumb's root may, one way freely and the other up to a sine of ½."""
    twist = (local[..., 1, 2] - local[..., 2, 1]) / 2  # about the axis towards the wrist, as the release counts it
    return twist[:, FINGER_ROOTS].square().mean() + (twist[:, THUMB_ROOT] - 0.5).clamp_min(0).square().mean()

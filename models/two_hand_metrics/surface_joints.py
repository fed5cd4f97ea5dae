"""Where the joints of a posed hand are, told from its surface alone: what a network that predicts vertices says of joints.

MANO's `J_regressor` averages vertices around each joint, and the field applies it to posed surfaces, too. Other hand models
need not have such a one: the free hand's gives the joints of every rest shape exactly, by large weights of both signs that
cancel out, and those of a posed surface wrongly. For such a model an average is made here from its skinning.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hands.joints import joints_21
from hands.model import HandArrays

_MOST = 2.0
"""Sum of a row's absolute weights up to which it counts as an average of vertices; of MANO's it is about 1."""
_SMOOTHNESS = 1e-5
"""How much an even average counts against exactness, square metres: measured, 0.4 mm off at a fifth of a vertex's noise."""
_MASS = 0.05
"""Metres that a weight on a bone which does not meet at the joint counts for: about how far that bone is moved."""


@lru_cache(maxsize=8)
def surface_regressor(arrays: HandArrays) -> Float[Tensor, "16 v"]:
    """The 16 joints as combinations of posed vertices, rows sum to 1, float64: the model's own if these are averages.

    Made once for each model; do not write to it.
    """
    own = torch.as_tensor(np.asarray(arrays.J_regressor), dtype=torch.float64)
    if own.abs().sum(1).max() <= _MOST:
        return own
    return torch.stack([_row(arrays, own, joint) for joint in range(len(own))])


def surface_joints(
    vertices: Float[Tensor, "b v 3"], regressor: Float[Tensor, "16 v"], tips: tuple[int, ...]
) -> Float[Tensor, "b 21 3"]:
    """The 21 joints of surfaces in any frame, in the order of `hands.joints.JOINTS_21`; tips are vertices."""
    return joints_21(torch.einsum("jv,bvk->bjk", regressor, vertices), vertices, tips)


def _row(arrays: HandArrays, own: Float[Tensor, "16 v"], joint: int) -> Float[Tensor, "v"]:
    """Weights of one joint, on vertices that are moved by a bone which meets there.

    A vertex is moved by bones k in shares W. The sum of w·V over posed vertices V is at the joint, however its bones turn,
    if Σ w W_k (V − J) = 0 at rest for every bone k, and Σ w W_k = 0 for bones that do not meet at the joint: conditions that
    are linear in w. Of the weights that keep them for every shape direction, too, nearly those nearest to the crease, where
    both bones move the skin, are taken.
    """
    weights, shapes = (torch.as_tensor(values, dtype=torch.float64) for values in (arrays.weights, _shapes(arrays)))
    parent = arrays.parents[joint]
    meeting = [joint] if parent < 0 else [joint, parent]
    near = (weights[:, meeting] > 0).any(1)
    seen = shapes[near] - torch.einsum("v,vcl->cl", own[joint], shapes)
    shares = weights[near]
    moments = torch.einsum("vk,vcl->kclv", shares, seen).flatten(0, 2)
    others = [bone for bone in range(len(own)) if bone not in meeting]
    crease = shares[:, meeting].prod(1)
    row = torch.zeros(len(weights), dtype=torch.float64)
    row[near] = _nearest_to(crease / crease.sum(), torch.cat([moments, _MASS * shares[:, others].T]))
    return row


def _nearest_to(start: Float[Tensor, "v"], conditions: Float[Tensor, "c v"]) -> Float[Tensor, "v"]:
    """Weights of the same sum for which the conditions nearly vanish: least squares with a ridge."""
    centred = conditions - conditions.mean(1, keepdim=True)
    system = centred.T @ centred + _SMOOTHNESS * torch.eye(len(start), dtype=start.dtype)
    return start - torch.linalg.solve(system, centred.T @ (conditions @ start))


def _shapes(arrays: HandArrays) -> Float[np.ndarray, "v 3 l"]:
    """The rest surface, and what each shape direction adds to it."""
    return np.concatenate([np.asarray(arrays.v_template)[..., None], np.asarray(arrays.shapedirs)], axis=-1)

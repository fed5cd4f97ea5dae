"""From the network's finest nodes to all vertices: a linear map fitted to sampled hands of the very model in use.

The authors ship theirs as a file that fits MANO alone and say nothing of how it came to be. A node stands for the mean of its
vertices; each vertex is the affine combination of nodes that comes nearest to it on thousands of random hands, ridge
regression towards the vertex's own node keeping the weights small. Rows sum to 1, so hands may lie anywhere. Least squares
over whole vectors see neither where a sampled hand is nor how it is turned, nor its mirror image: one map serves both hands.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hands.anatomy import angles_to_hand_pose, joint_frames, limits
from hands.joints import Side
from hands.model import HandModel
from models.transhand.levels import FINEST, Meshes, MeshLevels
from models.two_hand_metrics.surface_joints import surface_regressor

HANDS = 2000
"""Hands of each side that U is fitted to."""
HELD_OUT = 200
"""Hands of each side that its residual is measured on."""
RIDGE = 1e-5
"""Weight of U's squared distance from its start, see `fitted`. On the free hand 1e-3 leaves 0.14 mm, 1e-5 0.04, 1e-6 0.02; but
the less there is, the larger U's weights, which multiply what a network gets wrong of nodes."""
AT_ONCE = 250


@torch.no_grad()
def meshes_of(
    hands: dict[Side, HandModel], generator: torch.Generator, count: int = HANDS, ridge: float = RIDGE
) -> Meshes:
    """What the network must know of two hands, the upsampling fitted to `count` hands of each side.

    Args:
        hands: on the CPU.
        generator: decides the sampled hands.

    Raises:
        ValueError: the hands are not one surface and its mirror image.
    """
    levels = _shared_levels(hands)
    upsampling = fitted(levels, _samples(hands, count, generator), ridge)
    residual = residuals(upsampling, levels, _samples(hands, HELD_OUT, generator))
    arrays = [hands[side].arrays for side in Side]
    return Meshes(
        levels.leaves,
        torch.stack([_rest(levels, torch.as_tensor(a.v_template)) for a in arrays]),
        upsampling.float(),
        residual.float(),
        torch.as_tensor(np.stack([a.faces for a in arrays])).long(),
        torch.stack([surface_regressor(a) for a in arrays]).float(),
        torch.tensor([a.tips for a in arrays]),
    )


@torch.no_grad()
def sampled_surfaces(model: HandModel, count: int, generator: torch.Generator) -> Float[Tensor, "{count} v 3"]:
    """Random hands: joint angles uniform within Table 2's limits, shapes standard normal and cut at ±2; wrists stay."""
    low, high = limits()
    angles = low + (high - low) * torch.rand(count, 15, 3, generator=generator)
    betas = torch.randn(count, 10, generator=generator).clamp(-2, 2)
    dtype, zeros = model.v_template.dtype, torch.zeros(count, 3)
    pose = angles_to_hand_pose(angles.to(dtype), joint_frames(model))
    return model(zeros.to(dtype), pose, betas.to(dtype), zeros.to(dtype)).vertices


def fitted(levels: MeshLevels, surfaces: Iterator[Float[Tensor, "b v 3"]], ridge: float) -> Float[Tensor, "v n"]:
    """U by least squares over all surfaces: min ‖U pool(V) − V‖² + λ‖U − U₀‖² where U's rows sum to 1.

    U₀ puts each vertex on its node. λ is `ridge` × the mean over nodes of their squared distances from their hand's centre,
    these summed over all samples like the rest. With U = U₀ + D the constraint is that D's rows sum to 0; one Lagrange
    multiplier a vertex sees to it.
    """
    start, pooling = _start(levels), levels.pooling(FINEST)
    count, nodes = start.shape
    normal, right = torch.zeros(nodes, nodes).double(), torch.zeros(nodes, count).double()
    for vertices in surfaces:
        coarse, full = (side.transpose(0, 1).flatten(1) for side in _centred(pooling, vertices))
        normal += coarse @ coarse.T
        right += coarse @ full.T
    right -= normal @ start.T
    normal += ridge * normal.diagonal().mean() * torch.eye(nodes).double()
    factor = torch.linalg.cholesky(normal)
    free = torch.cholesky_solve(right, factor)
    ones = torch.cholesky_solve(torch.ones(nodes, 1).double(), factor)
    return start + (free - ones * (free.sum(dim=0) / ones.sum())).T


def residuals(
    upsampling: Float[Tensor, "v n"], levels: MeshLevels, surfaces: Iterator[Float[Tensor, "b v 3"]]
) -> Float[Tensor, "2"]:
    """Mean and largest distance between vertices and what U makes of their nodes, metres."""
    total, count, largest, pooling = 0.0, 0, 0.0, levels.pooling(FINEST)
    for vertices in surfaces:
        coarse, full = _centred(pooling, vertices)
        apart = (upsampling.double() @ coarse - full).norm(dim=-1)
        total, count, largest = total + float(apart.sum()), count + apart.numel(), max(largest, float(apart.max()))
    return torch.tensor([total / max(count, 1), largest], dtype=torch.float64)


def _samples(hands: dict[Side, HandModel], count: int, generator: torch.Generator) -> Iterator[Float[Tensor, "b v 3"]]:
    for done in range(0, count, AT_ONCE):
        for side in Side:
            yield sampled_surfaces(hands[side], min(AT_ONCE, count - done), generator)


def _centred(
    pooling: Float[Tensor, "n v"], vertices: Float[Tensor, "b v 3"]
) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, "b v 3"]]:
    """Nodes and vertices about the mean node: as rows sum to 1, where a hand lies must not count."""
    full = vertices.double()
    coarse = pooling @ full
    centre = coarse.mean(dim=1, keepdim=True)
    return coarse - centre, full - centre


def _start(levels: MeshLevels) -> Float[Tensor, "v n"]:
    """U₀: each vertex where its node is."""
    real = levels.leaves >= 0
    below = torch.arange(len(levels.leaves)) >> (levels.halvings - FINEST)
    start = torch.zeros(int(real.sum()), levels.nodes(FINEST), dtype=torch.float64)
    start[levels.leaves[real], below[real]] = 1.0
    return start


def _rest(levels: MeshLevels, template: Float[Tensor, "v 3"]) -> Float[Tensor, "n 3"]:
    low, high = template.amin(dim=0), template.amax(dim=0)
    return levels.pool(2 * (template - low) / (high - low) - 1).float()


def _shared_levels(hands: dict[Side, HandModel]) -> MeshLevels:
    trees = [MeshLevels.of(np.asarray(hands[side].arrays.faces), len(hands[side].v_template)) for side in Side]
    if not torch.equal(trees[0].leaves, trees[1].leaves):
        raise ValueError(
            "the right and the left hand are not one surface and its mirror image; give two hands that are"
        )
    return trees[0]

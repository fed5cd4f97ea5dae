"""Both hands of many poses at once, from joint angles to surfaces, and the slope of anything on those surfaces.

The same mapping as `hands.model` followed by `hands.anatomy`, as kernels: one source for CPU and CUDA, float32 or
float64. Each number is computed by scalar arithmetic in a fixed order, so on a CPU a pose comes out to the same bits in
any batch. The backward pass never forms the derivative of a matrix: a force on a vertex is a force and a torque on the
joints that move it, and a joint's angle feels the torque along its axis of everything that it carries.

Letters: b poses, 2 hands (right, left), v vertices (the hand's and 16 fan centres, see `hands.parts`), 16 joints.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, no_type_check

import numpy as np
import torch
import warp as wp
from jaxtyping import Float, Int
from torch import Tensor

from hands.anatomy import joint_frames
from hands.joints import Side
from hands.kernels import launch, real_of
from hands.model import HandModel
from hands.parts import HandParts


class PosedSurfaces(NamedTuple):
    """Both hands in the world, metres."""

    vertices: Float[Tensor, "b 2 v 3"]
    linear: Float[Tensor, "b 2 16 3 3"]
    """World rotation of each joint's part; without slopes."""


@dataclass(frozen=True, eq=False)
class Skeletons:
    """What never changes while both hands are posed."""

    parents: Int[Tensor, "16"]
    frames: Float[Tensor, "2 15 3 3"]
    """Anatomical frames of the joints, see `hands.anatomy.joint_frames`."""
    first: Int[Tensor, "2 _"]
    """Where each vertex's influences begin."""
    joint: Int[Tensor, "2 _"]
    weight: Float[Tensor, "2 _"]

    @staticmethod
    def build(models: dict[Side, HandModel], parts: dict[Side, HandParts], like: Tensor) -> "Skeletons":
        """Tables in the precision and on the device of `like`."""
        listed = [_influences(models[side], parts[side]) for side in Side]
        longest = max(len(joint) for _, joint, _ in listed)
        pad = lambda values: np.pad(values, (0, longest - len(values)))  # noqa: E731
        integers = lambda rows: torch.as_tensor(np.stack(rows), dtype=torch.int32, device=like.device)  # noqa: E731
        return Skeletons(
            parents=torch.tensor(models[Side.RIGHT].arrays.parents, dtype=torch.int32, device=like.device),
            frames=torch.stack([joint_frames(models[side]) for side in Side]).to(like),
            first=integers([first for first, _, _ in listed]),
            joint=integers([pad(joint) for _, joint, _ in listed]),
            weight=torch.as_tensor(np.stack([pad(weight) for _, _, weight in listed])).to(like),
        )


def with_centres(values: Float[np.ndarray, "v *n"], parts: HandParts) -> Float[np.ndarray, "w *n"]:
    """Per-vertex values and, after them, those of the 16 fan centres: averages over their rings."""
    return np.concatenate([values, np.tensordot(parts.centres, values, axes=1)])


def _influences(model: HandModel, parts: HandParts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights = with_centres(model.arrays.weights, parts)
    vertex, joint = np.nonzero(weights)
    return np.searchsorted(vertex, np.arange(len(weights) + 1)), joint, weights[vertex, joint]


def skin(
    skeletons: Skeletons,
    root: Float[Tensor, "b 2 3 3"],
    rest: Float[Tensor, "b 2 16 3"],
    angles: Float[Tensor, "b 2 15 3"],
    transl: Float[Tensor, "b 2 3"],
    shaped: Float[Tensor, "b 2 v 3"],
) -> "PosedSurfaces":
    """Posed surfaces in metres; slopes flow back from the vertices to angles (radians), transl and shaped.

    Args:
        root: world rotation of each wrist.
        rest: joints of the flat hand of each shape, metres.
        angles: (bend, splay, twist) of joints 1–15, see `hands.anatomy`.
        transl: added last, MANO's convention.
        shaped: rest surface with shape, and pose correctives if the hand has any.
    """
    return PosedSurfaces(*_Skin.apply(skeletons, root, rest, angles, transl, shaped))


class _Skin(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, skeletons: Skeletons, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        root, rest, angles, transl, shaped = (value.detach().contiguous() for value in inputs)
        kernels, count = _kernels(real_of(shaped)), len(root)
        linear = torch.empty(count, 2, 16, 3, 3, dtype=root.dtype, device=root.device)
        origin, offset, vertices = torch.empty_like(rest), torch.empty_like(rest), torch.empty_like(shaped)
        chain = [skeletons.parents, skeletons.frames, root, rest, angles, transl, linear, origin, offset]
        launch(kernels["pose"], (count, 2), chain)
        influences = [skeletons.first, skeletons.joint, skeletons.weight]
        launch(kernels["skin"], shaped.shape[:3], [*influences, linear, offset, shaped, vertices])
        ctx.skeletons = skeletons
        ctx.save_for_backward(angles, linear, origin, offset, shaped)
        ctx.mark_non_differentiable(linear)
        return vertices, linear

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        slope, skeletons = slopes[0], ctx.skeletons
        angles, linear, origin, offset, shaped = ctx.saved_tensors
        kernels = _kernels(real_of(shaped))
        force, torque = torch.zeros_like(origin), torch.zeros_like(origin)
        correctives = ctx.needs_input_grad[5]
        on_shaped = torch.zeros_like(shaped) if correctives else shaped
        influences = [skeletons.first, skeletons.joint, skeletons.weight]
        surface = [slope.contiguous(), linear, offset, shaped, force, torque, on_shaped, int(correctives)]
        launch(kernels["collect"], shaped.shape[:3], [*influences, *surface])
        on_angles, on_transl = torch.empty_like(angles), torch.empty_like(angles[:, :, 0])
        chain = [skeletons.parents, skeletons.frames, angles, linear, origin, force, torque, on_angles, on_transl]
        launch(kernels["turn"], angles.shape[:2], chain)
        return None, None, None, on_angles, on_transl, on_shaped if correctives else None


@lru_cache
@no_type_check
def _kernels(real: type) -> dict[str, wp.Kernel]:  # noqa: C901 - a namespace for functions of one precision
    vec3, mat33 = wp.types.vector(3, real), wp.types.matrix((3, 3), real)

    @wp.func
    def anatomical(angle: vec3) -> mat33:
        """Rotation by bend · splay · twist in the joint's own frame."""
        cb, sb = wp.cos(angle[0]), wp.sin(angle[0])
        cs, ss = wp.cos(angle[1]), wp.sin(angle[1])
        ct, st = wp.cos(angle[2]), wp.sin(angle[2])
        # fmt: off
        return mat33(
            cb * cs, cb * ss * st - sb * ct, cb * ss * ct + sb * st,
            sb * cs, sb * ss * st + cb * ct, sb * ss * ct - cb * st,
            -ss, cs * st, cs * ct,
        )
        # fmt: on

    @wp.kernel(module="unique", enable_backward=False)
    def pose(
        parents: wp.array(dtype=int),
        frames: wp.array2d(dtype=mat33),
        root: wp.array2d(dtype=mat33),
        rest: wp.array3d(dtype=vec3),
        angles: wp.array3d(dtype=vec3),
        transl: wp.array2d(dtype=vec3),
        linear: wp.array3d(dtype=mat33),
        origin: wp.array3d(dtype=vec3),
        offset: wp.array3d(dtype=vec3),
    ):
        b, h = wp.tid()
        linear[b, h, 0] = root[b, h]
        origin[b, h, 0] = rest[b, h, 0] + transl[b, h]
        offset[b, h, 0] = origin[b, h, 0] - root[b, h] * rest[b, h, 0]
        for j in range(1, parents.shape[0]):
            p = parents[j]
            frame = frames[h, j - 1]
            turned = linear[b, h, p] * frame * anatomical(angles[b, h, j - 1]) * wp.transpose(frame)
            linear[b, h, j] = turned
            origin[b, h, j] = origin[b, h, p] + linear[b, h, p] * (rest[b, h, j] - rest[b, h, p])
            offset[b, h, j] = origin[b, h, j] - turned * rest[b, h, j]

    @wp.kernel(module="unique", enable_backward=False)
    def skin(
        first: wp.array2d(dtype=int),
        joint: wp.array2d(dtype=int),
        weight: wp.array2d(dtype=real),
        linear: wp.array3d(dtype=mat33),
        offset: wp.array3d(dtype=vec3),
        shaped: wp.array3d(dtype=vec3),
        vertices: wp.array3d(dtype=vec3),
    ):
        b, h, v = wp.tid()
        at = shaped[b, h, v]
        there = vec3()
        for i in range(first[h, v], first[h, v + 1]):
            j = joint[h, i]
            there += weight[h, i] * (linear[b, h, j] * at + offset[b, h, j])
        vertices[b, h, v] = there

    @wp.kernel(module="unique", enable_backward=False)
    def collect(
        first: wp.array2d(dtype=int),
        joint: wp.array2d(dtype=int),
        weight: wp.array2d(dtype=real),
        slope: wp.array3d(dtype=vec3),
        linear: wp.array3d(dtype=mat33),
        offset: wp.array3d(dtype=vec3),
        shaped: wp.array3d(dtype=vec3),
        force: wp.array3d(dtype=vec3),
        torque: wp.array3d(dtype=vec3),
        on_shaped: wp.array3d(dtype=vec3),
        correctives: int,
    ):
        b, h, v = wp.tid()
        pull = slope[b, h, v]
        if wp.dot(pull, pull) == real(0.0):
            return
        at = shaped[b, h, v]
        for i in range(first[h, v], first[h, v + 1]):
            j = joint[h, i]
            share = weight[h, i] * pull
            wp.atomic_add(force, b, h, j, share)
            wp.atomic_add(torque, b, h, j, wp.cross(linear[b, h, j] * at + offset[b, h, j], share))
            if correctives != 0:
                on_shaped[b, h, v] += wp.transpose(linear[b, h, j]) * share

    @wp.kernel(module="unique", enable_backward=False)
    def turn(
        parents: wp.array(dtype=int),
        frames: wp.array2d(dtype=mat33),
        angles: wp.array3d(dtype=vec3),
        linear: wp.array3d(dtype=mat33),
        origin: wp.array3d(dtype=vec3),
        force: wp.array3d(dtype=vec3),
        torque: wp.array3d(dtype=vec3),
        on_angles: wp.array3d(dtype=vec3),
        on_transl: wp.array2d(dtype=vec3),
    ):
        b, h = wp.tid()
        for back in range(1, parents.shape[0]):
            j = parents.shape[0] - back
            p = parents[j]
            moment = torque[b, h, j] - wp.cross(origin[b, h, j], force[b, h, j])
            frame = linear[b, h, p] * frames[h, j - 1]
            bend = angles[b, h, j - 1][0]
            splay_axis = frame * vec3(-wp.sin(bend), wp.cos(bend), real(0.0))
            bend_axis = frame * vec3(real(0.0), real(0.0), real(1.0))
            twist_axis = linear[b, h, j] * frames[h, j - 1] * vec3(real(1.0), real(0.0), real(0.0))
            on_angles[b, h, j - 1] = vec3(
                wp.dot(bend_axis, moment), wp.dot(splay_axis, moment), wp.dot(twist_axis, moment)
            )
            force[b, h, p] += force[b, h, j]
            torque[b, h, p] += torque[b, h, j]
        on_transl[b, h] = force[b, h, 0]

    return {"pose": pose, "skin": skin, "collect": collect, "turn": turn}

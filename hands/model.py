"""The hand: MANO's arrays and the layer that poses them.

The hand is data. Anything with MANO's arrays works: the free hand of this project, or the user's licensed MANO files.
Metres and radians throughout; poses are full axis-angle (the mean is already added), a flat hand is all zeros.
Source of the formulation: Romero et al., "Embodied Hands" (SIGGRAPH Asia 2017), linear blend skinning with shape and
pose blend shapes.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hands.joints import MANO_PARENTS, TIP_VERTICES, Side, joints_21
from hands.rotations import axis_angle_to_matrix


@dataclass(frozen=True, eq=False)
class HandArrays:
    """One hand in MANO's layout (v vertices, f faces, 16 joints)."""

    side: Side
    v_template: Float[np.ndarray, "v 3"]
    """Rest surface in metres, flat hand."""
    faces: Int[np.ndarray, "f 3"]
    """Triangles, counter-clockwise seen from outside; open at the wrist."""
    shapedirs: Float[np.ndarray, "v 3 10"]
    """Displacement in metres for one unit of each shape coefficient."""
    posedirs: Float[np.ndarray, "v 3 135"]
    """Pose correctives; the features are the 15 finger rotations minus identity."""
    weights: Float[np.ndarray, "v 16"]
    """Skinning weights, rows sum to 1."""
    J_regressor: Float[np.ndarray, "16 v"]
    """Joints as combinations of rest vertices."""
    hands_mean: Float[np.ndarray, "45"]
    """Mean finger pose in radians; part of the file, not of the layer: poses here are full."""
    hands_components: Float[np.ndarray, "45 45"]
    """Principal directions of finger poses, one a row."""
    uv: Float[np.ndarray, "t 2"] | None = None
    """Texture coordinates in [0, 1], origin at the lower left."""
    uv_faces: Int[np.ndarray, "f 3"] | None = None
    """Texture coordinate index for each face corner."""
    tips: tuple[int, ...] = TIP_VERTICES
    """Fingertip vertices, thumb to pinky."""
    notes: dict[str, str] = field(default_factory=dict)
    """What was done to the arrays when they were read (source, licence, known faults mended)."""

    @property
    def parents(self) -> tuple[int, ...]:
        """Parent of each joint, -1 for the wrist."""
        return MANO_PARENTS

    @property
    def parts(self) -> Int[np.ndarray, "v"]:
        """Part 0–15 of each vertex: the joint that moves it most (RenderIH §3.1, hand subdivision)."""
        return self.weights.argmax(axis=1)


class PosedHand(NamedTuple):
    """What the layer returns, in metres."""

    vertices: Float[Tensor, "b v 3"]
    joints: Float[Tensor, "b 16 3"]
    transforms: Float[Tensor, "b 16 3 4"]
    """Maps rest vertices into the world, joint by joint (before `transl`, which is included)."""


class HandModel(nn.Module):
    """Linear blend skinning of `HandArrays`; agrees with `smplx.MANO` (tested)."""

    def __init__(self, arrays: HandArrays, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.arrays = arrays
        for name in ("v_template", "shapedirs", "posedirs", "weights", "J_regressor"):
            self.register_buffer(name, torch.as_tensor(np.ascontiguousarray(getattr(arrays, name)), dtype=dtype))
        self.register_buffer("faces", torch.as_tensor(np.ascontiguousarray(arrays.faces), dtype=torch.long))
        self.register_buffer("joint_template", self.J_regressor @ self.v_template)
        self.register_buffer("joint_shapedirs", torch.einsum("jv,vkl->jkl", self.J_regressor, self.shapedirs))

    @property
    def side(self) -> Side:
        """Which hand this is."""
        return self.arrays.side

    def rest_joints(self, betas: Float[Tensor, "b 10"]) -> Float[Tensor, "b 16 3"]:
        """Joints of the flat hand of that shape. Rotation is about `rest_joints[:, 0]`, not about the origin."""
        return self.joint_template + torch.einsum("bl,jkl->bjk", betas, self.joint_shapedirs)

    def forward(
        self,
        global_orient: Float[Tensor, "b 3"],
        hand_pose: Float[Tensor, "b 45"],
        betas: Float[Tensor, "b 10"],
        transl: Float[Tensor, "b 3"],
    ) -> PosedHand:
        """Pose the hand: axis-angle in radians, `transl` in metres added last (MANO's convention)."""
        rotations = axis_angle_to_matrix(torch.cat([global_orient, hand_pose], dim=-1).unflatten(-1, (16, 3)))
        return self.pose_with_rotations(rotations, betas, transl)

    def pose_with_rotations(
        self,
        rotations: Float[Tensor, "b 16 3 3"],
        betas: Float[Tensor, "b 10"],
        transl: Float[Tensor, "b 3"],
        only: list[int] | slice = slice(None),
    ) -> PosedHand:
        """The same from rotation matrices relative to each parent; of the vertices only those named."""
        shaped = self.v_template[only] + torch.einsum("bl,vkl->bvk", betas, self.shapedirs[only])
        eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        features = (rotations[:, 1:] - eye).flatten(1)
        shaped = shaped + torch.einsum("bp,vkp->bvk", features, self.posedirs[only])
        rest = self.rest_joints(betas)
        linear, joints = self._chain(rotations, rest)
        joints = joints + transl[:, None]
        offset = joints - torch.einsum("bjkl,bjl->bjk", linear, rest)
        transforms = torch.cat([linear, offset[..., None]], dim=-1)
        blended = torch.einsum("vj,bjkl->bvkl", self.weights[only], transforms)
        vertices = torch.einsum("bvkl,bvl->bvk", blended[..., :3], shaped) + blended[..., 3]
        return PosedHand(vertices, joints, transforms)

    def _chain(
        self, rotations: Float[Tensor, "b 16 3 3"], rest: Float[Tensor, "b 16 3"]
    ) -> tuple[Float[Tensor, "b 16 3 3"], Float[Tensor, "b 16 3"]]:
        """World rotation and position of each joint, all five fingers of a level at once."""
        linear, position = [rotations[:, 0]] * 16, [rest[:, 0]] * 16
        for joint in range(1, 16):
            parent = self.arrays.parents[joint]
            linear[joint] = linear[parent] @ rotations[:, joint]
            bone = rest[:, joint] - rest[:, parent]
            position[joint] = position[parent] + torch.einsum("bkl,bl->bk", linear[parent], bone)
        return torch.stack(linear, dim=1), torch.stack(position, dim=1)

    def joints_21(self, posed: PosedHand) -> Float[Tensor, "b 21 3"]:
        """The dataset's 21 joints of a posed hand, metres."""
        return joints_21(posed.joints, posed.vertices, self.arrays.tips)

    def joints_21_alone(
        self,
        global_orient: Float[Tensor, "b 3"],
        hand_pose: Float[Tensor, "b 45"],
        betas: Float[Tensor, "b 10"],
        transl: Float[Tensor, "b 3"],
    ) -> Float[Tensor, "b 21 3"]:
        """The same joints, metres, without the surface: of the vertices only the fingertips are posed."""
        rotations = axis_angle_to_matrix(torch.cat([global_orient, hand_pose], dim=-1).unflatten(-1, (16, 3)))
        posed = self.pose_with_rotations(rotations, betas, transl, only=list(self.arrays.tips))
        return joints_21(posed.joints, posed.vertices, tuple(range(len(self.arrays.tips))))


def mirrored(arrays: HandArrays) -> HandArrays:
    """The other hand, by reflection in x: the left free hand is the mirrored right one."""
    flip = np.array([-1.0, 1.0, 1.0])
    rotvec_flip = np.tile([1.0, -1.0, -1.0], 15)
    matrix_flip = np.tile(np.outer(flip, flip).ravel(), 15)
    return HandArrays(
        side=arrays.side.other,
        v_template=arrays.v_template * flip,
        faces=arrays.faces[:, ::-1].copy(),
        shapedirs=arrays.shapedirs * flip[:, None],
        posedirs=arrays.posedirs * flip[:, None] * matrix_flip,
        weights=arrays.weights,
        J_regressor=arrays.J_regressor,
        hands_mean=arrays.hands_mean * rotvec_flip,
        hands_components=arrays.hands_components * rotvec_flip,
        uv=arrays.uv,
        uv_faces=None if arrays.uv_faces is None else arrays.uv_faces[:, ::-1].copy(),
        tips=arrays.tips,
        notes=arrays.notes,
    )

"""What IHDiff sees of two hands: a matrix of 42 joints × 9 numbers, seen from the right wrist (paper §3.1).

Rows 0–20 are the right hand's joints in the dataset's order (`hands.joints.JOINTS_21`), rows 21–41 the left hand's. Columns 0–2
are the joint's place in metres, columns 3–8 the first two columns of the joint's rotation relative to its parent, one after
the other (6D, Zhou et al., CVPR 2019). The right hand's wrist is the origin and its axes are those of the world, so its row is
constant; a left wrist's rotation is relative to the right one. The paper gives all 21 joints a rotation where MANO has 16:
fingertips are rigid, so theirs is the identity, a constant too.

Shape coefficients are no part of the matrix (the paper saw the network memorise them): with them it is exactly invertible.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hands.joints import FROM_MANO_WITH_TIPS, MANO_JOINTS, Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle

JOINTS = 21
"""Of one hand."""
ROWS, COLUMNS = 2 * JOINTS, 9
IDENTITY_6D = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
RIGHT, LEFT = slice(0, JOINTS), slice(JOINTS, ROWS)
_TIPS = [row for row, source in enumerate(FROM_MANO_WITH_TIPS) if source >= len(MANO_JOINTS)]
_TURNING = [FROM_MANO_WITH_TIPS.index(joint) for joint in range(len(MANO_JOINTS))]
"""The row, within a hand, of each of MANO's 16 rotations."""
_NEVER_VARIES = 1e-4
"""Entries whose standard deviation is below this (metres, or of a rotation's entry) are not scaled."""


class Placement(NamedTuple):
    """Where the right wrist is in the world: what the matrix leaves out."""

    orient: Float[Tensor, "b 3 3"]
    wrist: Float[Tensor, "b 3"]
    """Metres."""


class PackedHands(NamedTuple):
    """Two hands as the network has them; everything needed to undo it."""

    x: Float[Tensor, "b 42 9"]
    betas: Float[Tensor, "b 20"]
    """Shape coefficients, the right hand's first."""
    placement: Placement


def constant_entries() -> Bool[Tensor, "42 9"]:
    """Entries that are the same for all hands: the right wrist's place and rotation, all fingertips' rotations."""
    constant = torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    constant[0] = True
    for tip in _TIPS:
        constant[[tip, JOINTS + tip], 3:] = True
    return constant


def constant_values() -> Float[Tensor, "42 9"]:
    """What they are; zero elsewhere."""
    values = torch.zeros(ROWS, COLUMNS)
    values[:, 3:] = torch.tensor(IDENTITY_6D)
    return values * constant_entries()


def pack(poses: TwoHandPose, hands: dict[Side, HandModel]) -> PackedHands:
    """The matrices of a batch of two-hand poses."""
    turned = {side: _rotations(poses.side(side)) for side in Side}
    orient = turned[Side.RIGHT][:, 0]
    joints = {side: _joints(poses.side(side), turned[side], hands[side]) for side in Side}
    wrist = joints[Side.RIGHT][:, 0]
    rows = []
    for side in Side:
        seen = torch.einsum("bkl,bjk->bjl", orient, joints[side] - wrist[:, None])
        local = torch.cat([(orient.mT @ turned[side][:, 0])[:, None], turned[side][:, 1:]], dim=1)
        six = seen.new_tensor(IDENTITY_6D).repeat(len(seen), JOINTS, 1)
        six[:, _TURNING] = matrix_to_six(local)
        rows.append(torch.cat([seen, six], dim=-1))
    x = torch.cat(rows, dim=1)
    constant = constant_entries().to(x.device)
    x = torch.where(constant, constant_values().to(x), x)  # to the last bit
    return PackedHands(x, torch.cat([poses.right.betas, poses.left.betas], dim=-1), Placement(orient, wrist))


def unpack(packed: PackedHands, hands: dict[Side, HandModel]) -> TwoHandPose:
    """The poses of matrices in metres, in the world again; columns that are no rotation are made one by Gram–Schmidt."""
    orient, wrist = packed.placement
    sides = {}
    for h, side in enumerate(Side):
        part, betas = packed.x[:, h * JOINTS : (h + 1) * JOINTS], packed.betas[:, 10 * h : 10 * h + 10]
        local = six_to_matrix(part[:, _TURNING, 3:])
        world = orient @ local[:, 0]
        place = wrist + torch.einsum("bkl,bl->bk", orient, part[:, 0, :3])
        transl = place - hands[side].rest_joints(betas)[:, 0]
        angles = matrix_to_axis_angle(local[:, 1:]).flatten(1)
        sides[side] = HandPose(matrix_to_axis_angle(world), angles, betas, transl)
    return TwoHandPose(sides[Side.RIGHT], sides[Side.LEFT])


def at_origin(x: Float[Tensor, "b 42 9"], betas: Float[Tensor, "b 20"]) -> PackedHands:
    """Hands whose right wrist lies at the origin, unturned: where samples are."""
    eye = torch.eye(3, dtype=x.dtype, device=x.device).expand(len(x), 3, 3)
    return PackedHands(x, betas, Placement(eye, x.new_zeros(len(x), 3)))


class Surfaces(NamedTuple):
    """Both hands' surfaces and the joints that belong to them, seen from the right wrist, metres."""

    right: Float[Tensor, "b v 3"]
    left: Float[Tensor, "b v 3"]
    joints: Float[Tensor, "b 42 3"]
    """Of the posed hand models, not the matrix's own: rows as in the matrix."""

    @property
    def both(self) -> Float[Tensor, "b u 3"]:
        """Right hand's vertices, then the left one's."""
        return torch.cat([self.right, self.left], dim=1)


def surfaces(x: Float[Tensor, "b 42 9"], betas: Float[Tensor, "b 20"], hands: dict[Side, HandModel]) -> Surfaces:
    """Hand models posed by the matrix's rotations, their wrists where the matrix has them; slopes to both arguments."""
    meshes, joints = [], []
    for h, side in enumerate(Side):
        part, shape = x[:, h * JOINTS : (h + 1) * JOINTS], betas[:, 10 * h : 10 * h + 10]
        transl = part[:, 0, :3] - hands[side].rest_joints(shape)[:, 0]
        posed = hands[side].pose_with_rotations(six_to_matrix(part[:, _TURNING, 3:]), shape, transl)
        meshes.append(posed.vertices)
        joints.append(hands[side].joints_21(posed))
    return Surfaces(*meshes, torch.cat(joints, dim=1))


def matrix_to_six(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The first two columns of a rotation, one after the other."""
    return matrix[..., :2].mT.flatten(-2)


def six_to_matrix(six: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation whose first two columns these become when they are made orthonormal, the first one first."""
    first, second = six.unflatten(-1, (2, 3)).unbind(-2)
    x = nn.functional.normalize(first, dim=-1, eps=1e-8)
    y = nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1, eps=1e-8)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


class Standard(nn.Module):
    """Scales every entry of the matrix to mean 0 and standard deviation 1 over the training poses.

    With raw metres the joints (σ ≈ 5 cm) drown in the noise of almost all diffusion steps. Constant entries become 0.
    """

    def __init__(self, mean: Float[Tensor, "42 9"] | None = None, std: Float[Tensor, "42 9"] | None = None) -> None:
        """Without arguments nothing is scaled ("raw"): entries that never vary become 0, the others stay as they are."""
        super().__init__()
        self.register_buffer("mean", constant_values() if mean is None else mean)
        self.register_buffer("std", torch.ones(ROWS, COLUMNS) if std is None else std)
        self.register_buffer("constant", constant_entries(), persistent=False)
        self.register_buffer("values", constant_values(), persistent=False)

    @staticmethod
    def of(x: Float[Tensor, "n 42 9"]) -> "Standard":
        """The scale of these poses, counted in float64."""
        exact = x.double()
        std = exact.std(0, correction=0)
        return Standard(exact.mean(0).float(), torch.where(std < _NEVER_VARIES, 1.0, std).float())

    def scale(self, x: Float[Tensor, "*b 42 9"]) -> Float[Tensor, "*b 42 9"]:
        """From metres and rotations."""
        return (x - self.mean) / self.std

    def restore(self, scaled: Float[Tensor, "*b 42 9"]) -> Float[Tensor, "*b 42 9"]:
        """To metres and rotations; entries that are the same for all hands get their values, whatever a network says."""
        return torch.where(self.constant, self.values, scaled * self.std + self.mean)


def _rotations(pose: HandPose) -> Float[Tensor, "b 16 3 3"]:
    return axis_angle_to_matrix(torch.cat([pose.global_orient, pose.hand_pose], dim=-1).unflatten(-1, (16, 3)))


def _joints(pose: HandPose, turned: Float[Tensor, "b 16 3 3"], model: HandModel) -> Float[Tensor, "b 21 3"]:
    posed = model.pose_with_rotations(turned, pose.betas, pose.transl)
    return model.joints_21(posed)

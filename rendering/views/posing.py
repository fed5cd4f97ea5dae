"""The coarse surfaces of both arms in many poses at once, laid out for compiled loops.

Each pose's numbers depend on that pose alone, whatever else is in the batch. Vertices come as rows x, y and z, in the
order right hand, left hand, right forearm, left forearm, right forearm's end, left forearm's end, and are padded to whole
vectors by the last one again.

Letters: p poses, w vertices, v vertices of one hand, k vertices of one forearm, f faces.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hands.forearm import FOREARM_END, Forearm
from hands.forearms import forearm_points
from hands.joints import Side
from hands.kernels import launch
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix
from rendering.views.kernels import LANES, kernels


@dataclass(frozen=True, eq=False)
class Layout:
    """What the surfaces of all poses share."""

    forearms: dict[Side, Forearm]
    order: Int[np.ndarray, "w"]
    """Of both surfaces' vertices, the right one's first."""
    owner: Int[np.ndarray, "w"]
    """Whose a vertex is: 1 right hand, 2 left hand, 0 a forearm."""
    faces: Int[np.ndarray, "f 3"]
    kinds: Int[np.ndarray, "f"]
    """The same of faces."""
    sizes: tuple[int, int]
    """Vertices of the right and of the left hand."""
    ends: tuple[int, int]
    """The first vertex of the forearms' ends, and the one after the last."""

    @classmethod
    def build(cls, forearms: dict[Side, Forearm]) -> "Layout":
        """The layout of these hands with their forearms."""
        hands, sleeves, ends, faces, kinds, first = [], [], [], [], [], 0
        for number, side in enumerate(Side, start=1):
            forearm = forearms[side]
            size, end = int(forearm.faces.max()) + 1, len(forearm.rim) * FOREARM_END
            hands.append(first + np.arange(forearm.hand_size))
            sleeves.append(first + np.arange(forearm.hand_size, size - end))
            ends.append(first + np.arange(size - end, size))
            faces.append(first + forearm.faces)
            kinds.append(np.where(np.arange(len(forearm.faces)) < len(forearm.hand_faces), number, 0))
            first += size
        order = np.concatenate([*hands, *sleeves, *ends])
        place = np.argsort(order)
        padded = np.append(order, np.repeat(order[-1], -first % LANES))
        owner = np.zeros(len(padded), dtype=np.int64)
        sizes = (len(hands[0]), len(hands[1]))
        owner[: sizes[0]], owner[sizes[0] : sum(sizes)] = 1, 2
        return cls(
            forearms,
            padded,
            owner,
            place[np.concatenate(faces)].astype(np.int32),
            np.concatenate(kinds).astype(np.int32),
            sizes,
            (first - len(ends[0]) - len(ends[1]), first),
        )


@dataclass(frozen=True, eq=False)
class PosedArms:
    """Both hands with their forearms in many poses."""

    layout: Layout
    points: Float[np.ndarray, "p 3 w"]
    """Metres, world frame."""

    @property
    def hands(self) -> Float[np.ndarray, "p 3 _"]:
        """Vertices of both hands, without forearms."""
        return self.points[:, :, : sum(self.layout.sizes)]

    def elbows(self) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, "p 3"]]:
        """The far ends of the right and the left forearm."""
        first, after = self.layout.ends
        right = first + len(self.layout.forearms[Side.RIGHT].rim) * FOREARM_END
        return self.points[:, :, right - 1], self.points[:, :, after - 1]


class Poser:
    """Poses both hands and continues them to the elbows."""

    def __init__(self, models: dict[Side, HandModel], forearms: dict[Side, Forearm]) -> None:
        self.layout = Layout.build(forearms)
        self._hands = [_Hand(models[side]) for side in Side]

    def pose(self, poses: TwoHandPose, bends: dict[Side, Float[np.ndarray, "p 2"]]) -> PosedArms:
        """The surfaces of poses whose wrists are bent so (flexion and deviation, radians)."""
        sizes, (ends, after) = self.layout.sizes, self.layout.ends
        points = np.empty((len(poses), 3, len(self.layout.order)))
        firsts, sleeve, end = (0, sizes[0]), sum(sizes), ends
        for hand, first, side in zip(self._hands, firsts, Side, strict=True):
            hand.pose(poses.side(side), points, first)
        for first, size, side in zip(firsts, sizes, Side, strict=True):
            forearm = self.layout.forearms[side]
            added = forearm_points(forearm, points[:, :, first : first + size], bends[side])
            tail = len(forearm.rim) * FOREARM_END
            body = added.shape[2] - tail
            points[:, :, sleeve : sleeve + body], points[:, :, end : end + tail] = (
                added[:, :, :body],
                added[:, :, body:],
            )
            sleeve, end = sleeve + body, end + tail
        points[:, :, after:] = points[:, :, after - 1 : after]
        return PosedArms(self.layout, points)


class _Hand:
    """One hand model, in double precision and in rows of whole vectors."""

    def __init__(self, model: HandModel) -> None:
        arrays = model.arrays
        moves = [arrays.shapedirs] + ([arrays.posedirs] if arrays.posedirs.any() else [])
        directions = np.concatenate([np.asarray(each, dtype=float).transpose(2, 1, 0) for each in moves])
        rest = np.concatenate([np.asarray(arrays.v_template, dtype=float).T[None], directions])
        self.parents, self.corrected = arrays.parents, len(moves) > 1
        self.rest = _padded(rest)
        self.weights = _padded(np.asarray(arrays.weights, dtype=float).T)
        self.joints = np.asarray(arrays.J_regressor, dtype=float) @ arrays.v_template
        self.joint_moves = np.einsum("jv,vkl->ljk", arrays.J_regressor, np.asarray(arrays.shapedirs, dtype=float))

    def pose(self, poses: HandPose, points: Float[np.ndarray, "p 3 w"], first: int) -> None:
        """Write the posed vertices from `first` on, and after them what pads them: that is to be written over."""
        angles = torch.cat([poses.global_orient, poses.hand_pose], dim=1).double().unflatten(1, (16, 3))
        turns = axis_angle_to_matrix(angles).numpy()
        betas = poses.betas.double().numpy()
        rest = self.joints + (betas[:, :, None, None] * self.joint_moves).sum(1)
        maps = torch.from_numpy(self._transforms(turns, rest, poses.transl.double().numpy()))
        moves = [betas, (turns[:, 1:] - np.eye(3)).reshape(len(betas), -1)] if self.corrected else [betas]
        moves = torch.from_numpy(np.concatenate(moves, axis=1))
        launch(
            kernels()["pose"], (len(betas),), [self.rest, self.weights, moves, maps, first, torch.from_numpy(points)]
        )

    def _transforms(
        self, turns: Float[np.ndarray, "p 16 3 3"], rest: Float[np.ndarray, "p 16 3"], transl: Float[np.ndarray, "p 3"]
    ) -> Float[np.ndarray, "p 16 12"]:
        """Maps from the rest surface into the world, joint by joint."""
        linear, position = np.empty_like(turns), np.empty_like(rest)
        linear[:, 0], position[:, 0] = turns[:, 0], rest[:, 0]
        for joint in range(1, 16):
            parent = self.parents[joint]
            linear[:, joint] = np.matmul(linear[:, parent], turns[:, joint])
            bone = rest[:, joint] - rest[:, parent]
            position[:, joint] = position[:, parent] + np.matmul(linear[:, parent], bone[:, :, None])[:, :, 0]
        offset = position + transl[:, None] - np.matmul(linear, rest[..., None])[..., 0]
        return np.concatenate([linear, offset[..., None]], axis=3).reshape(len(turns), 16, 12)


def _padded(rows: Float[np.ndarray, "*n v"]) -> Float[Tensor, "*n w"]:
    """Rows of whole vectors, one after another in memory."""
    return torch.from_numpy(
        np.ascontiguousarray(np.pad(rows, [*[(0, 0)] * (rows.ndim - 1), (0, -rows.shape[-1] % LANES)]))
    )

"""The release's optimisation: four stages of Adam over raw quaternions and translations, with losses of the whole batch.

Shapes and wrist rotations stay. Adam and its plateau schedule start afresh in each stage; both see the batch's loss only,
so that the result of a pose depends on its batch mates.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmarks.released.contact_pairs import build_pairs, contact_loss, refresh_pairs
from benchmarks.released.losses import edge_loss, ergonomic_loss, norm_loss, quaternion_to_matrix
from benchmarks.released.voxel_sdf import EVALUATORS, Evaluator, penetration_loss
from hands.anatomy import joint_frames
from hands.contact import select_anchors
from hands.joints import Side
from hands.mesh import adjacency, close_wrist, vertex_normals, wrist_loop
from hands.model import HandArrays, HandModel
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_quaternion


class Stage(NamedTuple):
    """One stage of the schedule."""

    steps: int
    contact: float
    """Weight of the contact term."""
    penetration: float
    """Weight of the anti-penetration term."""
    search: bool
    """Whether anchor pairs are found anew; otherwise only their stiffness is renewed."""


STAGES = (
    Stage(50, 10, 0.064, True),
    Stage(40, 150, 0.0064, False),
    Stage(75, 1, 1.92, False),
    Stage(50, 50, 0.064, True),
)
POSE_RATE, TRANSLATION_RATE, LEAST_RATE = 1e-2, 1e-4, 1e-5


def optimise_as_released(
    poses: TwoHandPose,
    hands: dict[Side, HandModel],
    iterations: int = 215,
    sdf: str = "fast",
    as_released: bool = True,
) -> TwoHandPose:
    """Optimised copies of the poses after the first `iterations` steps of the schedule.

    Args:
        poses: one batch; the release takes 6,144 at once.
        sdf: "brute" or "fast", evaluators of equal values, see `voxel_sdf`.
        as_released: keep two slips of the release: the grid's half-voxel shift, and finger poses that miss the last step
            of each stage.
    """
    run = Optimisation(poses, hands, EVALUATORS[sdf], as_released)
    for stage in STAGES:
        steps = min(stage.steps, iterations)
        iterations -= steps
        if steps:
            run.begin(stage)
            run.advance(steps)
    return run.poses()


class Optimisation:
    """The variables of a batch and where its schedule stands."""

    def __init__(
        self, poses: TwoHandPose, hands: dict[Side, HandModel], evaluate: Evaluator, as_released: bool = True
    ) -> None:
        self.given, self.hands, self.evaluate, self.as_released = poses, hands, evaluate, as_released
        self.frames = {side: joint_frames(hands[side]) for side in Side}
        self.edges = {side: _edges(hands[side]) for side in Side}
        self.rims = {side: wrist_loop(hands[side].arrays.faces) for side in Side}
        self.closed = {side: close_wrist(hands[side].v_template[None], hands[side].faces)[1] for side in Side}
        self.anchors = _anchors(hands[Side.RIGHT].arrays)
        local = {side: poses.side(side).hand_pose.unflatten(-1, (15, 3)) for side in Side}
        self.fingers = {s: matrix_to_quaternion(axis_angle_to_matrix(r)).requires_grad_() for s, r in local.items()}
        self.transl = {side: poses.side(side).transl.clone().requires_grad_() for side in Side}

    def begin(self, stage: Stage) -> None:
        """Pairs, optimiser and learning-rate schedule of a stage."""
        self.stage = stage
        if stage.search:
            self.partner = self.find_pairs()
        self.stiffness = self.renew_pairs()
        rates = ((self.fingers, POSE_RATE), (self.transl, TRANSLATION_RATE))
        self.adam = torch.optim.Adam([{"params": list(values.values()), "lr": rate} for values, rate in rates])
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.adam, factor=0.5, patience=20, min_lr=LEAST_RATE)

    def find_pairs(self) -> Int[Tensor, "b n 4"]:
        """Partners of each left anchor. Their first stiffness is computed and then replaced by `renew_pairs`."""
        found = []
        for row in range(len(self.given)):
            (right, right_normals), (left, left_normals) = (self._anchors_of(row, side) for side in Side)
            found.append(build_pairs(left, right, left_normals, right_normals)[0])
        return torch.as_tensor(np.stack(found))

    def renew_pairs(self) -> Float[Tensor, "b n 4"]:
        """Stiffness of the known pairs."""
        renewed = []
        for row, partner in enumerate(self.partner.numpy()):
            (right, _), (left, _) = (self._anchors_of(row, side) for side in Side)
            renewed.append(refresh_pairs(left, right, partner))
        return torch.as_tensor(np.stack(renewed))

    def advance(self, steps: int) -> None:
        """So many steps of the stage that has begun."""
        for _ in range(steps):
            before = {side: value.detach().clone() for side, value in self.fingers.items()}
            self.step()
        if self.as_released:
            with torch.no_grad():
                for side, value in self.fingers.items():
                    value.copy_(before[side])

    def step(self) -> None:
        """One iteration."""
        self.adam.zero_grad()
        loss = self.loss()
        loss.backward()
        self.adam.step()
        self.plateau.step(loss.item())

    def loss(self) -> Float[Tensor, ""]:
        """The batch's loss with the weights of the stage."""
        surface = {side: self._surface(side, slice(None)) for side in Side}
        anchors = {side: surface[side][:, self.anchors] for side in Side}
        pull = contact_loss(anchors[Side.LEFT], anchors[Side.RIGHT], self.partner, self.stiffness)
        total = self.stage.contact * pull
        for side in Side:
            model, fingers = self.hands[side], self.fingers[side]
            local = self.frames[side].mT @ quaternion_to_matrix(fingers) @ self.frames[side]
            total = total + norm_loss(fingers) + ergonomic_loss(local)
            total = total + edge_loss(surface[side], model.v_template, self.edges[side])
            overlap = penetration_loss(
                surface[side], *self._closed(side.other, surface), self.evaluate, self.as_released
            )
            total = total + self.stage.penetration * overlap.mean()
        return total

    def poses(self) -> TwoHandPose:
        """Where the batch stands, as full axis-angle poses."""
        return TwoHandPose(*(self._pose(side) for side in Side))

    def _pose(self, side: Side) -> HandPose:
        given = self.given.side(side)
        fingers = matrix_to_axis_angle(quaternion_to_matrix(self.fingers[side].detach())).flatten(1)
        return HandPose(given.global_orient, fingers, given.betas, self.transl[side].detach().clone())

    def _surface(self, side: Side, rows: slice) -> Float[Tensor, "b v 3"]:
        given = self.given.side(side)[rows]
        root = axis_angle_to_matrix(given.global_orient)[:, None]
        rotations = torch.cat([root, quaternion_to_matrix(self.fingers[side][rows])], dim=1)
        return self.hands[side].pose_with_rotations(rotations, given.betas, self.transl[side][rows]).vertices

    def _closed(self, side: Side, surface: dict[Side, Tensor]) -> tuple[Float[Tensor, "b w 3"], Int[Tensor, "g 3"]]:
        """A watertight hand without gradient. The release closes the wrist without a vertex in its centre."""
        vertices = surface[side].detach()
        return torch.cat([vertices, vertices[:, self.rims[side]].mean(1, keepdim=True)], dim=1), self.closed[side]

    @torch.no_grad()
    def _anchors_of(self, row: int, side: Side) -> tuple[np.ndarray, np.ndarray]:
        """Anchors and their normals of one pose; each is posed on its own, as in the release."""
        surface = self._surface(side, slice(row, row + 1))
        normals = vertex_normals(surface, self.hands[side].faces)
        return surface[0, self.anchors].numpy(), normals[0, self.anchors].numpy()


@lru_cache
def _anchors(arrays: HandArrays) -> Int[np.ndarray, "n"]:
    """The same vertices of both hands; without contact frequencies, for the release's come from InterHand2.6M."""
    return select_anchors(arrays.faces, np.zeros(len(arrays.v_template)))


def _edges(model: HandModel) -> Int[Tensor, "e 2"]:
    """Pairs of vertices that share an edge, each once."""
    return torch.as_tensor(np.triu(adjacency(model.arrays.faces, len(model.v_template)))).nonzero()

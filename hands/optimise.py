"""Makes poses valid: hands touch without passing through each other and joints stay within their limits.

The loss is RenderIH's Eq. 13 without its discriminator: `w1·L_A + w2·L_a + w4·L_p`, plus a spring to the pose that came
in, which keeps a gesture what it was. Every term, learning rate and plateau counter belongs to one pose: a pose ends the
same alone or among thousands. Batched kernels differ in the last digit with the batch's size, so arithmetic is float64 and
the variables snap to a grid of 0.2 nanometres and nanoradians after each step: the last digits never get to matter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.anatomy import (
    anatomy_loss,
    angles_to_hand_pose,
    angles_to_rotations,
    hand_pose_to_angles,
    joint_frames,
    limits,
    movable,
)
from hands.contact import AnchorPairs, attraction_loss, pair_anchors, select_anchors
from hands.distance import signed_distance, vertex_normals
from hands.joints import Side
from hands.model import HandModel, PosedHand
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix

EPSILON = 1e-3
"""Adam's, far above rounding noise: in mirrored poses some slopes are exactly zero, and Adam must not blow up their noise."""


@dataclass(frozen=True)
class OptimisationConfig:
    """Weights and schedule. Lengths enter the loss in centimetres, angles in radians."""

    iterations: int = 215
    """Steps of Adam (supplement §2)."""
    learning_rate: float = 0.01
    """Largest change of an angle in one step, radians."""
    translation_rate: float = 0.1
    """Step of a translation in metres, as a share of the angles' step in radians."""
    patience: int = 20
    """Steps without progress of a pose before its learning rate is halved."""
    rebuild_pairs: int = 40
    """Steps between searches for anchor pairs."""
    settle: int = 165
    """Step at which attraction reaches its full weight and penetration its least."""
    attraction: tuple[float, float] = (0.2, 2.0)
    """w1 at the start and from `settle` on."""
    penetration: tuple[float, float] = (4.0, 3.0)
    """w4 at the start and from `settle` on."""
    anatomy: float = 100.0
    """w2."""
    spring: tuple[float, float] = (1.0, 0.05)
    """Pull of each angle (radians) and of each hand's position (cm) towards the pose that came in."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise ValueError(f"optimisation.iterations is {self.iterations}, must be 0 or more")
        if self.learning_rate <= 0:
            raise ValueError(f"optimisation.learning_rate is {self.learning_rate}, must be above 0")

    def weights_at(self, step: int) -> tuple[float, float]:
        """(w1, w4) of a step: attraction grows and penetration falls until `settle`."""
        share = min(step / max(self.settle, 1), 1.0)
        blend = lambda ends: ends[0] + (ends[1] - ends[0]) * share  # noqa: E731
        return blend(self.attraction), blend(self.penetration)


def optimise(
    poses: TwoHandPose,
    hands: dict[Side, HandModel],
    config: OptimisationConfig,
    on_step: Callable[[int], None] | None = None,
) -> TwoHandPose:
    """Optimised copies of the poses; `on_step` hears the number of each finished step. Shapes and wrist rotations stay."""
    problem = _Problem(poses, hands, config)
    variables = problem.start.clone().requires_grad_()
    adam = _PerPoseAdam(problem.rates, config.patience)
    for step in range(config.iterations):
        loss = problem.loss(variables, step)
        (gradient,) = torch.autograd.grad(loss.sum(), variables)
        with torch.no_grad():
            adam.step(variables, gradient, loss)
            variables.copy_(snap(variables))
        if on_step:
            on_step(step)
    return problem.poses(variables.detach())


def snap(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Rounded to multiples of 2⁻³²."""
    return (values * 2.0**32).round() / 2.0**32


class _Problem:
    """The variables of a batch (per hand: 15×3 angles, then 3 of translation), and their loss."""

    def __init__(self, poses: TwoHandPose, hands: dict[Side, HandModel], config: OptimisationConfig) -> None:
        self.given, self.config = poses, config
        device = poses.right.transl.device
        self.models = {side: HandModel(hands[side].arrays, torch.float64).to(device) for side in Side}
        self.frames = {side: joint_frames(model) for side, model in self.models.items()}
        self.low, self.high = (bound.to(device) for bound in limits(torch.float64))
        self.start = snap(torch.cat([self._hand_start(side) for side in Side], dim=1))
        hand_rates = torch.cat([movable().flatten().double(), torch.full((3,), config.translation_rate)])
        self.rates = (config.learning_rate * hand_rates).repeat(2).to(device)
        angle, position = config.spring
        self.stiffness = torch.tensor(([angle] * 45 + [1e4 * position] * 3) * 2, dtype=torch.float64, device=device)
        self.anchors = {side: select_anchors(m.arrays.faces, len(m.v_template)) for side, m in self.models.items()}
        self.pairs: dict[Side, AnchorPairs] = {}

    def _hand_start(self, side: Side) -> Float[Tensor, "b 48"]:
        pose = self.given.side(side)
        angles = hand_pose_to_angles(pose.hand_pose.double(), self.frames[side])
        angles = torch.where(movable().to(angles.device), angles, 0.0)
        return torch.cat([angles.flatten(1), pose.transl.double()], dim=1)

    def angles(self, variables: Float[Tensor, "b 96"], side: Side) -> Float[Tensor, "b 15 3"]:
        first = 0 if side is Side.RIGHT else 48
        return variables[:, first : first + 45].unflatten(1, (15, 3))

    def transl(self, variables: Float[Tensor, "b 96"], side: Side) -> Float[Tensor, "b 3"]:
        first = 45 if side is Side.RIGHT else 93
        return variables[:, first : first + 3]

    def posed(self, variables: Float[Tensor, "b 96"], side: Side) -> PosedHand:
        given, model = self.given.side(side), self.models[side]
        root = axis_angle_to_matrix(given.global_orient.double())[:, None]
        rotations = torch.cat([root, angles_to_rotations(self.angles(variables, side), self.frames[side])], dim=1)
        return model.pose_with_rotations(rotations, given.betas.double(), self.transl(variables, side))

    def loss(self, variables: Float[Tensor, "b 96"], step: int) -> Float[Tensor, "b"]:
        attraction, penetration = self.config.weights_at(step)
        surface = {side: self.posed(variables, side).vertices for side in Side}
        normals = {side: vertex_normals(surface[side], self.models[side].faces) for side in Side}
        if step % self.config.rebuild_pairs == 0:
            self._pair(surface, normals)
        total = (self.stiffness * (variables - self.start).square()).sum(-1)
        for side in Side:
            other = side.other
            depth = (-signed_distance(surface[side], surface[other], normals[other])).clamp_min(0)
            pull = attraction_loss(
                surface[side][:, self.anchors[side]], surface[other][:, self.anchors[other]], self.pairs[side]
            )
            total = total + penetration * 100 * depth.sum(-1) + attraction * 1e4 * pull
            total = total + self.config.anatomy * anatomy_loss(self.angles(variables, side))
        return total

    @torch.no_grad()
    def _pair(self, surface: dict[Side, Tensor], normals: dict[Side, Tensor]) -> None:
        picked = {s: (surface[s][:, self.anchors[s]], normals[s][:, self.anchors[s]]) for s in Side}
        self.pairs = {side: pair_anchors(*picked[side], *picked[side.other]) for side in Side}

    def poses(self, variables: Float[Tensor, "b 96"]) -> TwoHandPose:
        """Float32 poses with every angle inside its limits."""
        return TwoHandPose(*(self._hand_pose(variables, side) for side in Side))

    def _hand_pose(self, variables: Float[Tensor, "b 96"], side: Side) -> HandPose:
        given = self.given.side(side)
        angles = self.angles(variables, side).clamp(self.low, self.high)
        hand_pose = snap(angles_to_hand_pose(angles, self.frames[side])).to(given.hand_pose)
        transl = snap(self.transl(variables, side)).to(given.transl)
        return HandPose(given.global_orient, hand_pose, given.betas, transl)


class _PerPoseAdam:
    """Adam (Kingma & Ba 2015) whose learning rate falls pose by pose when that pose's loss stops falling."""

    def __init__(self, rates: Float[Tensor, "d"], patience: int, floor: float = 0.02) -> None:
        self.rates, self.patience, self.floor = rates, patience, floor
        self.count = 0
        self.first = self.second = self.scale = self.best = self.waited = None

    def step(self, variables: Float[Tensor, "b d"], gradient: Float[Tensor, "b d"], loss: Float[Tensor, "b"]) -> None:
        if self.first is None:
            self.first, self.second = torch.zeros_like(gradient), torch.zeros_like(gradient)
            self.scale, self.best = torch.ones_like(loss), torch.full_like(loss, torch.inf)
            self.waited = torch.zeros_like(loss)
        self._watch(loss)
        self.count += 1
        self.first.lerp_(gradient, 0.1)
        self.second.lerp_(gradient.square(), 0.001)
        mean = self.first / (1 - 0.9**self.count)
        spread = (self.second / (1 - 0.999**self.count)).sqrt()
        variables -= self.scale[:, None] * self.rates * mean / (spread + EPSILON)

    def _watch(self, loss: Float[Tensor, "b"]) -> None:
        better = loss < self.best * (1 - 1e-4)
        self.best = torch.where(better, loss, self.best)
        self.waited = torch.where(better, 0.0, self.waited + 1)
        tired: Bool[Tensor, b] = self.waited > self.patience
        self.scale = torch.where(tired, (self.scale / 2).clamp_min(self.floor), self.scale)
        self.waited = torch.where(tired, 0.0, self.waited)

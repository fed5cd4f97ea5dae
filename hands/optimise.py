"""Makes poses valid: hands touch without passing through each other and joints stay within their limits.

RenderIH's optimisation (§3.1, supplement §2): 215 steps of Adam on `hands.objective`, anchor pairs found anew every 40
steps, penetration weighing most at first and attraction growing until step 165. Learning rate, plateau and every decision
belong to one pose: it ends the same alone or among thousands, and batch size and threads change speed alone.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from hands.adam import PerPoseAdam
from hands.anatomy import angles_to_hand_pose, joint_frames, limits, movable
from hands.contact import Anchors
from hands.joints import Side
from hands.model import HandModel
from hands.naturalness import Naturalness
from hands.objective import ANGLES, Objective, Weights, snap
from hands.penetration import Depth, MakeSearch, Search
from hands.pose import HandPose, TwoHandPose
from hands.separation import ways_out
from hands.skinning import PosedSurfaces


@dataclass(frozen=True)
class OptimisationConfig:
    """Weights and schedule. Lengths enter the loss in centimetres, angles in radians."""

    iterations: int = 215
    """Steps of Adam (supplement §2)."""
    learning_rate: float = 0.01
    """Largest change of an angle in one step, radians (supplement §2)."""
    translation_rate: float = 0.05
    """Step of a translation in metres, as a share of the angles' step in radians."""
    patience: int = 20
    """Steps without progress of a pose before its learning rate is halved (supplement §2)."""
    rebuild_pairs: int = 40
    """Steps between searches for anchor pairs (supplement §2)."""
    settle: int = 165
    """Step at which attraction reaches its full weight and penetration its least (supplement §2)."""
    attraction: tuple[float, float] = (1.0, 6.0)
    """w1 at the start and from `settle` on."""
    anatomy: float = 100.0
    """w2."""
    adversarial: float = 5.0
    """w3; 0 leaves the discriminator out."""
    penetration: tuple[float, float] = (8.0, 6.0)
    """w4 at the start and from `settle` on."""
    spring: float = 0.0
    """Pull towards the pose that came in: of each angle, and of 4.5 cm as much as of one radian. Not in the paper."""
    separate_mm: float = 3.0
    """Hands that are deeper in each other when pairs are searched again, until `settle`, are pulled apart first; 0: never."""
    depth: Depth = Depth.UNION
    """What counts as depth: `union`, or `parts` for Eq. 4 to the letter."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise ValueError(f"optimisation.iterations is {self.iterations}, must be 0 or more")
        for name in ("learning_rate", "rebuild_pairs"):
            if getattr(self, name) <= 0:
                raise ValueError(f"optimisation.{name} is {getattr(self, name)}, must be above 0")

    def weights_at(self, step: int) -> Weights:
        """The weights of a step: attraction grows and penetration falls until `settle`."""
        share = min(step / max(self.settle, 1), 1.0)
        blend = lambda ends: ends[0] + (ends[1] - ends[0]) * share  # noqa: E731
        return Weights(blend(self.attraction), self.anatomy, self.adversarial, blend(self.penetration), self.spring)


@dataclass(frozen=True)
class Engine:
    """Who the hands are and what judges them: all that optimisation needs besides poses and its configuration."""

    hands: dict[Side, HandModel]
    anchors: Anchors
    naturalness: Naturalness | None = None
    """Called with float64 rotations; None leaves out Eq. 8."""
    make_search: MakeSearch | None = None
    """Another engine to measure depths with, such as `BvhSearch.build`; None: the one the configuration names."""
    real: torch.dtype = torch.float32
    """Precision of surfaces and depths."""


def optimise(
    poses: TwoHandPose,
    engine: Engine,
    config: OptimisationConfig,
    batch: int = 64,
    threads: int = 1,
    on_step: Callable[[int], None] | None = None,
) -> TwoHandPose:
    """Optimised copies of the poses; shapes and wrist rotations stay.

    Args:
        poses: on the device to work on.
        batch: poses optimised at once, and `threads` such batches side by side.
        on_step: hears how many poses took a step, from any thread.
    """
    parts = [poses[slice(first, first + batch)] for first in range(0, len(poses), batch)]
    run = lambda part: _optimise_batch(part, engine, config, on_step)  # noqa: E731
    with one_torch_thread(), ThreadPoolExecutor(threads) as pool:
        return TwoHandPose.stack(list(pool.map(run, parts)))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """In the block Torch's operations use one thread: batches beside each other beat threads inside small operations."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _optimise_batch(
    poses: TwoHandPose, engine: Engine, config: OptimisationConfig, on_step: Callable[[int], None] | None
) -> TwoHandPose:
    natural = engine.naturalness if config.adversarial else None
    make_search = engine.make_search or partial(Search.build, kind=config.depth)
    objective = Objective.build(poses, engine.hands, engine.anchors, natural, make_search, engine.real)
    variables = objective.start.clone()
    adam = PerPoseAdam(variables.flatten(1), _rates(config).to(variables), config.patience)
    for step in range(config.iterations):
        if step % config.rebuild_pairs == 0:
            _look_around(objective, variables, adam, step, config)
        _descend(objective, variables, adam, step, config)
        if on_step:
            on_step(len(poses))
    return finished_poses(variables, poses, engine.hands)


def _look_around(
    objective: Objective, variables: Float[Tensor, "b 2 48"], adam: PerPoseAdam, step: int, config: OptimisationConfig
) -> None:
    """Free the hands that are stuck, find the anchor pairs, and judge progress anew."""
    with torch.no_grad():
        surfaces = objective.surfaces(variables)
        if config.separate_mm and 0 < step <= config.settle:
            surfaces = _free_the_stuck(objective, variables, adam, surfaces, config)
    objective.pair(surfaces)
    adam.judge_anew()


def _free_the_stuck(
    objective: Objective,
    variables: Float[Tensor, "b 2 48"],
    adam: PerPoseAdam,
    surfaces: PosedSurfaces,
    config: OptimisationConfig,
) -> PosedSurfaces:
    stuck = objective.penetration(surfaces).depth.amax((1, 2)) > config.separate_mm / 1e3
    if not stuck.any():
        return surfaces
    apart = ways_out(objective.search, surfaces, stuck) / 2
    variables[:, 0, ANGLES:] += apart
    variables[:, 1, ANGLES:] -= apart
    variables.copy_(snap(variables))
    adam.start_over(stuck)
    return objective.surfaces(variables)


def _descend(
    objective: Objective, variables: Float[Tensor, "b 2 48"], adam: PerPoseAdam, step: int, config: OptimisationConfig
) -> None:
    """One step of Adam. Progress is measured by the final weights: the moving ones let the loss grow by themselves."""
    leaf = variables.detach().requires_grad_()
    terms = objective.terms(leaf, objective.surfaces(leaf))
    (slope,) = torch.autograd.grad(terms.weighted(config.weights_at(step)).sum(), leaf)
    with torch.no_grad():
        adam.step(
            variables.view(len(variables), -1), slope.flatten(1), terms.weighted(config.weights_at(config.settle))
        )
        variables.copy_(snap(variables))


def _rates(config: OptimisationConfig) -> Float[Tensor, "96"]:
    hand = torch.cat([movable().flatten().double(), torch.full((3,), config.translation_rate, dtype=torch.float64)])
    return config.learning_rate * hand.repeat(2)


def finished_poses(variables: Float[Tensor, "b 2 48"], given: TwoHandPose, hands: dict[Side, HandModel]) -> TwoHandPose:
    """Poses in the given precision with every angle inside its limits."""
    low, high = (bound.to(variables) for bound in limits(torch.float64))
    done = []
    for h, side in enumerate(Side):
        pose = given.side(side)
        frames = joint_frames(HandModel(hands[side].arrays, torch.float64)).to(variables)
        angles = variables[:, h, :ANGLES].unflatten(-1, (15, 3)).clamp(low, high)
        hand_pose = snap(angles_to_hand_pose(angles, frames)).to(pose.hand_pose)
        transl = snap(variables[:, h, ANGLES:]).to(pose.transl)
        done.append(HandPose(pose.global_orient, hand_pose, pose.betas, transl))
    return TwoHandPose(*done)

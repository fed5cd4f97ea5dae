"""Table 3: a regressor's hands made plausible (IHDiff §5.4, "Real-world noisy targets", appendix B.2).

The regressor's surfaces and rotations are the observations. The paper also observes joints in the image; a table of hands has
no image, so that term is left out for all methods alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dataset.errors import InputError
from dataset.readers import parquet
from dataset.readers.frame import Fault, Frame
from dataset.shards import file_sha256
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose
from hands.random_streams import stream
from models.ihdiff.checkpoint import IHDiff, TrainedVAE
from models.ihdiff.direct import DirectConfig, regress_collisions
from models.ihdiff.fitting import FitConfig
from models.ihdiff.observations import Observations
from models.ihdiff.placing import into_world
from models.ihdiff.representation import PackedHands, Standard, Surfaces
from tasks.ihdiff.evaluation.judge import Hands, Judge
from tasks.ihdiff.evaluation.pages import ALL, NAMES, Rows
from tasks.ihdiff.evaluation.parts import Result
from tasks.ihdiff.evaluation.table2 import (
    LEGEND,
    Found,
    OnStep,
    Truth,
    cell,
    fitted_in_batches,
    fitting,
    on_cpu,
    packed_in_blocks,
    part_of,
    scored,
)
from tasks.markdown_tables import grid

SIMULATED = "simulated"
"""Instead of a file: true hands with noise."""
STEP = 10.0
"""Of the noised hands (appendix B.2)."""


@dataclass(frozen=True)
class Noise:
    """How a simulated regressor errs: standard deviations, independent in every number."""

    fingers: float = 0.12
    """Of finger rotations, radians."""
    wrists: float = 0.05
    """Of both wrists' rotations, radians."""
    left: float = 0.008
    """Of the left hand's place, metres."""


@dataclass(frozen=True, eq=False)
class Regressed:
    """What a regressor says of hand pairs."""

    packed: PackedHands
    meshes: Surfaces
    """Seen from the right wrist."""

    @property
    def observed(self) -> Observations:
        """Surfaces and rotations in the world, and where fits start."""
        vertices = into_world(self.meshes.both, self.packed.placement)
        return Observations(vertices=vertices, regressed=self.packed, placed=True)


def regressed_of(poses: TwoHandPose, hands: Hands, judge: Judge) -> Regressed:
    """Its answers, posed."""
    packed = packed_in_blocks(poses, hands, "posing a regressor's hands")
    return Regressed(packed, judge.meshes(packed.x, packed.betas))


def simulated(names: Sequence[str], poses: TwoHandPose, seed: int, noise: Noise | None = None) -> TwoHandPose:
    """True hands with noise that depends on a pose's name and the seed alone."""
    noise = noise or Noise()
    drawn = torch.stack([_drawn(seed, name) for name in names]).to(poses.left.transl)
    right, left, place = drawn.split([48, 48, 3], dim=1)
    return TwoHandPose(_wrong(poses.right, right, noise), _wrong(poses.left, left, noise).moved(noise.left * place))


def read_regressor(file: Path, names: Sequence[str], hands: Hands) -> tuple[list[int], TwoHandPose]:
    """Which of the poses of these names a file has answers for, and the answers: columns as in the table `poses`.

    Raises:
        InputError: the file cannot be read, has a hand that is none, a name twice, or none of these names.
    """
    frames = {}
    for frame in read_frames(file, hands):
        if frame.name in frames:
            raise InputError(f"{file}: has two answers for {frame.name}; give one for each pose")
        frames[frame.name] = frame
    rows = [row for row, name in enumerate(names) if name in frames]
    if not rows:
        raise InputError(f"{file}: has no answer for any of the {len(names)} poses; its column pose_id must name them")
    return rows, batch_of([frames[names[row]] for row in rows])


def read_frames(file: Path, hands: Hands) -> list[Frame]:
    """Both hands of every row.

    Raises:
        InputError: the file cannot be read, or a row lacks a hand or has one that is none.
    """
    frames = []
    for item in parquet.read(file, "", hands):
        if isinstance(item, Fault):
            raise InputError(f"{file}: {item.key or 'all of it'}: {item.reason}; both hands of every row must be sound")
        frames.append(item)
    return frames


def batch_of(frames: Sequence[Frame]) -> TwoHandPose:
    """Frames as one batch, where they are."""
    sides = []
    for side in Side:
        columns = zip(*(frame.hands[side].parameters for frame in frames), strict=True)
        sides.append(HandPose(*(torch.as_tensor(np.stack(column), dtype=torch.float32) for column in columns)))
    return TwoHandPose(*sides)


def identity(regressor: str) -> str:
    """What tells a regressor's answers from others.

    Raises:
        InputError: there is no such file.
    """
    if regressor == SIMULATED:
        return SIMULATED
    if not Path(regressor).is_file():
        raise InputError(f"{regressor}: no such file; give a regressor's answers as Parquet, or --regressor simulated")
    return file_sha256(Path(regressor))


def answers_of(
    regressor: str, names: Sequence[str], poses: TwoHandPose, hands: Hands, seed: int
) -> tuple[list[int], TwoHandPose]:
    """Which of the true poses there are answers for, and these."""
    if regressor == SIMULATED:
        return list(range(len(names))), simulated(names, poses, seed)
    return read_regressor(Path(regressor), names, hands)


def unrefined(regressed: Regressed, truth: Truth, judge: Judge) -> Result:
    """The regressor's own row."""
    return _scored(regressed.packed, truth, judge)


def by_collision_regression(
    regressed: Regressed, truth: Truth, steps: int, seed: int, judge: Judge, title: str
) -> Result:
    """The row "Col. reg."."""
    standard, config, observed = Standard().to(judge.device), DirectConfig(steps=steps), regressed.observed

    def one(rows: slice, draws: torch.Generator, on_step: OnStep) -> Found:
        seen = part_of(observed, rows, judge.device)
        return on_cpu(regress_collisions(standard, judge.hands, seen, judge.search.offsets, config, on_step), standard)

    found = fitted_in_batches(one, len(regressed.packed.x), steps, seed, judge.batch, title)
    return _scored(found.packed, truth, judge)


def by_network(
    model: IHDiff | TrainedVAE, regressed: Regressed, truth: Truth, steps: int, seed: int, judge: Judge, title: str
) -> Result:
    """A row of a network that starts at the regressor's answers."""
    config, direct = FitConfig(steps=steps, step_size=STEP), DirectConfig(steps=steps)
    one = fitting(model, regressed.observed, config, direct, judge.hands, judge.device)
    found = fitted_in_batches(one, len(regressed.packed.x), steps, seed, judge.batch, title)
    return _scored(found.packed, truth, judge)


def _scored(found: PackedHands, truth: Truth, judge: Judge) -> Result:
    """In the world: a wrong rotation of the whole counts."""
    meshes = _turned(judge.meshes(found.x, found.betas), found.placement.orient)
    return scored(meshes, _turned(truth.meshes, truth.packed.placement.orient), judge)


def _turned(meshes: Surfaces, orient: Float[Tensor, "n 3 3"]) -> Surfaces:
    """Hands seen from the right wrist as they are turned in the world, the wrist where it is."""
    return Surfaces(*(points @ orient.mT for points in meshes))


def _drawn(seed: int, name: str) -> Float[Tensor, "99"]:
    return torch.from_numpy(stream(seed, name, "simulated regressor").standard_normal(99))


def _wrong(pose: HandPose, drawn: Float[Tensor, "n 48"], noise: Noise) -> HandPose:
    wrist, fingers = noise.wrists * drawn[:, :3], noise.fingers * drawn[:, 3:]
    return HandPose(pose.global_orient + wrist, pose.hand_pose + fingers, pose.betas, pose.transl)


def page(found: Rows, regressor: str) -> str:
    """Table 3 as Markdown."""
    about = "The regressor is simulated: true hands with noise. " if regressor == SIMULATED else ""
    rows = [[NAMES[name], cell(row[ALL])] for name, row in found.items()]
    return f"## Table 3: a regressor's hands refined\n\n{about}{LEGEND}\n\n" + grid(["", "all"], rows)

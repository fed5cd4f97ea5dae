"""What one pose costs in one iteration of the release, on one CPU thread and with brute-force grids."""

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple, TypeVar

import torch

from benchmarks.released.optimiser import STAGES, Optimisation
from benchmarks.released.voxel_sdf import brute_force
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose

Result = TypeVar("Result")


class Cost(NamedTuple):
    """Medians, seconds for one pose."""

    iteration: float
    """One whole iteration: surfaces, grids, losses, gradients, Adam; without pair search."""
    grids: float
    """The two grids alone, a part of `iteration`."""
    search: float
    """Finding the pairs once."""
    renewal: float
    """Renewing their stiffness once."""

    @property
    def per_iteration(self) -> float:
        """An iteration and its share of the pair work of a full schedule."""
        pairs = sum(stage.search * self.search + self.renewal for stage in STAGES)
        return self.iteration + pairs / sum(stage.steps for stage in STAGES)


def seconds_per_pose_iteration(poses: TwoHandPose, hands: dict[Side, HandModel], iterations: int = 3) -> Cost:
    """Medians over a few true iterations of the first stage; give one or two poses, an iteration takes seconds."""
    grids: list[float] = []
    run = Optimisation(poses, hands, lambda *mesh: _timed(lambda: brute_force(*mesh), grids))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run.begin(STAGES[0])
        search, renewal, iteration = (
            _median(work, iterations) / len(poses) for work in (run.find_pairs, run.renew_pairs, run.step)
        )
    finally:
        torch.set_num_threads(threads)
    return Cost(iteration, 2 * median(grids), search, renewal)


def _median(work: Callable[[], object], repeats: int) -> float:
    durations: list[float] = []
    for _ in range(repeats):
        _timed(work, durations)
    return median(durations)


def _timed(work: Callable[[], Result], durations: list[float]) -> Result:
    started = time.perf_counter()
    result = work()
    durations.append(time.perf_counter() - started)
    return result

"""IHDiff at work: samples and fits a second against the batch, and what fewer sampling steps cost in quality.

python -m benchmarks.ihdiff CHECKPOINT [--batches 1 8 32] [--poses DATASET] [--device cuda]

Quality compares the same noise after few steps and after all 1000. With --poses, samples are compared with its training poses.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dataset.assets.hand_files import load_hands
from dataset.errors import InputError
from hands.kernels import device_fault
from models.ihdiff.checkpoint import IHDiff
from models.ihdiff.diffusion import STEPS, sample, standard_noise
from models.ihdiff.fitting import FitConfig, fit
from models.ihdiff.metrics import vertex_error_mm
from models.ihdiff.observations import Observations
from models.ihdiff.representation import Surfaces
from tasks.ihdiff.checkpoints import load_ihdiff
from tasks.ihdiff.contacting_poses import read_contacting_poses
from tasks.ihdiff.evaluation import table1, table2
from tasks.ihdiff.evaluation.judge import Hands, Judge, schedule

SHOWN = ("APD_mm", "collision_percent", "in_contact_percent", "penetration_volume_cm3", "precision", "recall")


def seconds(work: Callable[[], Any], device: str, rounds: int) -> float:
    """Median time of some work, after one try that does not count."""
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def speed(model: IHDiff, judge: Judge, batch: int, timed: int, rounds: int) -> dict[str, float]:
    """Milliseconds that a step takes for a hand pair, and pairs a second at the usual numbers of steps.

    Args:
        timed: steps that are timed; all steps cost the same.
    """
    device, draws = judge.device, torch.Generator().manual_seed(0)
    network, standard = copy.deepcopy(model.network).to(device), copy.deepcopy(model.standard).to(device)
    noise, way = standard_noise(batch, draws).to(device), schedule(timed)
    sampling = seconds(lambda: sample(network, way, noise), device, rounds) / timed
    rest = judge.meshes(model.standard.mean[None].repeat(batch, 1, 1), torch.zeros(batch, 20))
    seen, config = Observations(joints_3d=rest.joints.to(device)), FitConfig(steps=timed)
    fitting = seconds(lambda: fit(network, standard, judge.hands, seen, config, draws), device, rounds) / timed
    return {
        "sampling, ms a step and pair": 1e3 * sampling / batch,
        "samples a second at N = 100": batch / (100 * sampling),
        "fitting, ms a step and pair": 1e3 * fitting / batch,
        "fits a minute at N = 1000": 60 * batch / (STEPS * fitting),
        "a fit's step over a sample's": fitting / sampling,
    }


def quality(
    model: IHDiff, judge: Judge, count: int, numbers: list[int], real: Float[Tensor, "m 126"] | None
) -> dict[str, dict[str, float]]:
    """Measures of samples by their number of steps, and how far each lies from the sample of all steps."""
    found: dict[int, tuple[Surfaces, dict[str, float]]] = {}
    for steps in sorted({*numbers, STEPS}, reverse=True):
        x, betas = table1.drawn(model, count, steps, 0, judge, f"N = {steps}")
        result = table1.measured(x, betas, torch.empty(0, 126) if real is None else real, judge, 0)
        found[steps] = judge.meshes(x, betas), {name: result[name] for name in SHOWN}
    whole = found[STEPS][0].both
    apart = {steps: float(vertex_error_mm(meshes.both, whole).mean()) for steps, (meshes, _) in found.items()}
    return {f"N = {steps}": found[steps][1] | {"from N = 1000, mm": apart[steps]} for steps in sorted(found)}


def learnt_from(place: str, count: int, hands: Hands, judge: Judge) -> Float[Tensor, "m 126"]:
    """Features of as many training poses."""
    poses = read_contacting_poses(place, hands).of("train")
    some = poses[[row * len(poses) // min(count, len(poses)) for row in range(min(count, len(poses)))]]
    return table1.features(table2.truth_of(some.poses, hands, judge).meshes)


def print_table(title: str, columns: dict[str, dict[str, float]]) -> None:
    """One line for each number, one column for each batch or number of steps."""
    print(f"\n{title:<34}" + "".join(f"{name:>14}" for name in columns))
    for row in next(iter(columns.values())):
        print(f"{row:<34}" + "".join(f"{column[row]:>14.4g}" for column in columns.values()))


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--batches", type=int, nargs="*", default=[1, 8, 32], help="hand pairs at once; none: no speeds"
    )
    parser.add_argument("--timed", type=int, default=10, help="steps that are timed")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed")
    parser.add_argument("--samples", type=int, default=64, help="for the quality; 0: none")
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 50, 100], help="numbers of steps beside 1000")
    parser.add_argument("--poses", default="", help="a dataset whose training poses samples are compared with")
    parser.add_argument("--mano", type=Path, help="MANO folder, when the network is of MANO's hands")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    if fault := device_fault(options.device):
        parser.error(fault)
    torch.set_num_threads(1)
    try:
        figures = measure(options)
    except InputError as error:
        parser.error(str(error))
    for title, columns in figures.items():
        print_table(title, columns)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(options: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    """Both tables, of what is asked for."""
    hands = load_hands(options.mano)
    model = load_ihdiff(options.checkpoint, hands)
    judge = Judge.build(hands, 32, options.device)
    figures = {}
    if options.batches:
        rounds = options.timed, options.rounds
        figures["speed"] = {f"batch {batch}": speed(model, judge, batch, *rounds) for batch in options.batches}
    if options.samples:
        real = learnt_from(options.poses, options.samples, hands, judge) if options.poses else None
        figures["quality"] = quality(model, judge, options.samples, options.steps, real)
    return figures


if __name__ == "__main__":
    main()

"""Poses per second of the whole optimisation, against what the authors' release does, in one run.

    python -m benchmarks.speed
    python -m benchmarks.speed --quality 49      also what the two make of the same 49 poses (5 s a pose)
    python -m benchmarks.speed --device cuda --batches 8192 --count 100000 --baseline-poses 0

The baseline (benchmarks.released) searches pairs pose by pose and rebuilds its distance grids in every iteration; it is
timed over a few true iterations on one thread and scaled to 215. On a CPU every core that this process may use works on
batches of its own, of the size named; the baseline is granted as many cores.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.candidates import Candidates, add_arguments, candidates, default_engine
from benchmarks.quality import print_table, summary, verdicts_of
from benchmarks.released.optimiser import optimise_as_released
from benchmarks.released.timing import seconds_per_pose_iteration
from hands.optimise import Engine, OptimisationConfig, optimise

CONFIG = OptimisationConfig()


def poses_per_second(given: Candidates, engine: Engine, batch: int, count: int, threads: int, repeats: int) -> float:
    """Median rate over repeats of `count` poses; kernels are compiled before."""
    rows = torch.arange(count) % len(given.poses)
    poses = given.poses.to(engine_device(engine))[rows]
    optimise(poses[slice(0, batch)], engine, replace(CONFIG, iterations=41), batch)
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        optimise(poses, engine, CONFIG, batch, threads)
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def engine_device(engine: Engine) -> torch.device:
    """Where the engine's discriminator is, and so the work."""
    return next(engine.naturalness.parameters()).device


def both_ways(given: Candidates, engine: Engine, count: int, threads: int) -> dict[str, dict[str, float]]:
    """Figures of `count` poses, spread over the candidates: as they come, by the release's way, and by ours."""
    rows = torch.linspace(0, len(given.poses) - 1, count).long()
    few = Candidates(given.poses[rows], given.touching[rows], [given.names[row] for row in rows])
    before = verdicts_of(few.poses, engine)
    batches = {
        "augmented": few.poses,
        "release": optimise_as_released(few.poses, engine.hands),
        "ours": optimise(few.poses, engine, CONFIG, threads=threads),
    }
    return {name: summary(poses, few, before, engine) for name, poses in batches.items()}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, copies=12)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 64, 512])
    parser.add_argument(
        "--count", type=int, default=0, help="poses to optimise; default: four batches a thread, 64 at most"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--threads", type=int, default=0, help="batches side by side; default: one a core, one on a GPU"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--baseline-poses", type=int, default=2, help="poses to time the release's way with; 0: leave it out"
    )
    parser.add_argument("--quality", type=int, default=0, help="poses to optimise both ways and to judge")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    threads = options.threads or (cores if options.device == "cpu" else 1)
    engine = default_engine()
    given = candidates(engine.hands, options.copies, options.bend, options.splay)
    engine.naturalness.to(options.device)
    result: dict[str, object] = {
        "device": options.device,
        "threads": threads,
        "iterations": CONFIG.iterations,
        "rate": {},
    }
    for batch in options.batches:
        count = options.count or threads * min(4 * batch, max(batch, 64))
        rate = poses_per_second(given, engine, batch, count, threads, options.repeats)
        result["rate"][batch] = rate
        print(
            f"batch {batch:>6}: {rate:8.2f} poses/s   ({count} poses, {threads} threads, median of {options.repeats})"
        )
    if options.device != "cpu":
        result["bytes per pose"] = torch.cuda.max_memory_allocated() / max(options.batches)
        print(f"torch memory a pose: {result['bytes per pose'] / 1024:.0f} KiB")
    if options.baseline_poses:
        engine.naturalness.to("cpu")
        cost = seconds_per_pose_iteration(given.poses[slice(0, options.baseline_poses)], engine.hands)
        baseline = cores / (cost.per_iteration * CONFIG.iterations)
        result |= {"baseline seconds per pose and iteration": cost.per_iteration, "baseline rate": baseline}
        print(
            f"baseline    : {baseline:8.5f} poses/s   ({cost.per_iteration:.2f} s a pose and iteration, {cores} cores)"
        )
        print(f"ratio       : {max(result['rate'].values()) / baseline:8.0f} ×")
    if options.quality:
        result["quality"] = both_ways(given, engine, options.quality, threads)
        print_table(result["quality"])
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Whether precision and batch change results: float32 against float64, alone against in a batch of 512.

python -m benchmarks.precision
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.candidates import add_arguments, candidates, default_engine
from benchmarks.quality import print_table, summary, verdicts_of
from hands.joints import Side
from hands.optimise import OptimisationConfig, optimise
from hands.pose import TwoHandPose


def largest_move(one: TwoHandPose, two: TwoHandPose, hands: dict) -> torch.Tensor:
    """Largest distance between equal vertices of each pose, millimetres."""
    moves = [
        (one.side(side).pose(hands[side]).vertices - two.side(side).pose(hands[side]).vertices).norm(dim=-1).amax(-1)
        for side in Side
    ]
    return 1e3 * torch.stack(moves).amax(0)


def spread(moves: torch.Tensor) -> dict[str, float]:
    """Quantiles in millimetres, and the share of poses that end as good as equal."""
    return {
        "poses": len(moves),
        "equal bits": float((moves == 0).float().mean()),
        "median mm": float(moves.median()),
        "p90 mm": float(moves.quantile(0.9)),
        "largest mm": float(moves.max()),
        "within 0.1 mm": float((moves <= 0.1).float().mean()),
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, copies=11)
    parser.add_argument("--alone", type=int, default=16, help="poses to optimise one by one as well")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    engine = default_engine()
    given = candidates(engine.hands, options.copies, options.bend, options.splay)[slice(0, 512)]
    threads, config = len(os.sched_getaffinity(0)), OptimisationConfig()
    together = optimise(given.poses, engine, config, batch=512)
    double = optimise(given.poses, replace(engine, real=torch.float64), config, batch=128, threads=threads)
    rows = torch.linspace(0, len(given.poses) - 1, options.alone).long()
    alone = optimise(given.poses[rows], engine, config, batch=1, threads=threads)
    columns = {
        "32 vs 64 bits": spread(largest_move(together, double, engine.hands)),
        "alone vs 512": spread(largest_move(together[rows], alone, engine.hands)),
    }
    print_table(columns)
    before = verdicts_of(given.poses, engine)
    quality = {name: summary(p, given, before, engine) for name, p in (("32 bits", together), ("64 bits", double))}
    print_table(quality)
    if options.json:
        options.json.write_text(json.dumps(columns | quality, indent=2) + "\n")


if __name__ == "__main__":
    main()

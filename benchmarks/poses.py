"""Poses before and after optimisation: validity, penetration, contact and speed. Prints a table, writes JSON if asked.

python -m benchmarks.poses --copies 1 --bend 12 --splay 6 --iterations 60
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from dataset.gestures import load_gestures
from dataset.hand_files import load_hands
from hands.augment import AugmentationConfig, augment, reshape_people
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.optimise import OptimisationConfig, optimise
from hands.pose import TwoHandPose
from hands.referee import Interaction, judge


def candidates(config: AugmentationConfig) -> tuple[TwoHandPose, list[bool]]:
    """Augmented gestures of different people, and which of them are meant to touch."""
    hands, gestures = load_hands(), load_gestures()
    copies = range(max(config.copies, 1))
    raw = TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures for _ in copies])
    names = [f"{g.name}-{copy}" for g in gestures for copy in copies]
    varied = augment(raw, names, hands, config, seed=0) if config.copies else raw
    return reshape_people(varied, names, hands, config, seed=0), [g.touching for g in gestures for _ in copies]


def summary(verdicts: list[Interaction], touching: list[bool]) -> dict[str, float]:
    """Shares and millimetres over a set of poses."""
    depth = np.array([v.max_penetration_mm for v in verdicts])
    near = np.array([v.min_distance_mm for v in verdicts])[np.array(touching)]
    return {
        "poses": len(verdicts),
        "no deeper than 2 mm": float((depth <= 2).mean()),
        "deepest vertex, mean mm": float(depth.mean()),
        "deepest vertex, p95 mm": float(np.quantile(depth, 0.95)),
        "touching gestures within 3 mm": float((near <= 3).mean()),
        "contact vertices, mean": float(np.mean([v.contact_vertices for v in verdicts])),
        "largest limit excess, degrees": float(max(v.limit_excess_deg for v in verdicts)),
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=0, help="variations of each gesture; 0: the gesture itself")
    parser.add_argument("--bend", type=float, default=12.0, help="largest bend offset, degrees")
    parser.add_argument("--splay", type=float, default=6.0, help="largest splay offset, degrees")
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    poses, touching = candidates(AugmentationConfig(options.copies, options.bend, options.splay))
    hands = load_hands()
    config = OptimisationConfig(iterations=options.iterations, settle=options.iterations * 3 // 4)
    started = time.perf_counter()
    done = optimise(poses, hands, config)
    seconds = time.perf_counter() - started
    before, after = (summary(judge(batch, hands), touching) for batch in (poses, done))
    for name in before:
        print(f"{name:<32} {before[name]:>9.3f} {after[name]:>9.3f}")
    print(f"{'poses per second':<32} {'':>9} {len(poses) / seconds:>9.2f}   ({torch.get_num_threads()} threads)")
    if options.json:
        result = {"before": before, "after": after, "poses_per_second": len(poses) / seconds}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""What each part of the optimisation does: RenderIH's Fig. 16 in numbers and pictures.

    python -m benchmarks.ablations                           numbers over 98 poses
    python -m benchmarks.ablations --pictures out/ablations  and a sheet of the same poses side by side, by Cycles

The whole-hand grid is the one that the authors' release uses: 32³ voxels, rebuilt in every step (seconds a pose).
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.candidates import add_arguments, candidates, default_engine
from benchmarks.pose_pictures import write_sheet
from benchmarks.quality import print_table, summary, verdicts_of
from benchmarks.released.search import VoxelSearch
from hands.contact import Anchors
from hands.optimise import Engine, OptimisationConfig, optimise
from hands.penetration import Depth
from hands.pose import TwoHandPose

Variant = Callable[[Engine, OptimisationConfig], tuple[Engine, OptimisationConfig]]

VARIANTS: dict[str, Variant] = {
    "full": lambda engine, config: (engine, config),
    "no attraction": lambda engine, config: (engine, replace(config, attraction=(0.0, 0.0))),
    "no naturalness": lambda engine, config: (engine, replace(config, adversarial=0.0)),
    "all vertices": lambda engine, config: (replace(engine, anchors=Anchors.every_vertex(engine.hands)), config),
    "sum of parts": lambda engine, config: (engine, replace(config, depth=Depth.PARTS)),
    "no separation": lambda engine, config: (engine, replace(config, separate_mm=0.0)),
    "whole-hand grid": lambda engine, config: (replace(engine, make_search=VoxelSearch.build), config),
}


def main() -> None:
    """Parse, run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, copies=2)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--pictures", type=Path, help="folder for ablations.png")
    parser.add_argument("--shown", nargs="*", default=(), metavar="POSE", help="poses in the picture; default: six")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    engine = default_engine()
    given = candidates(engine.hands, options.copies, options.bend, options.splay)
    before = verdicts_of(given.poses, engine)
    results: dict[str, TwoHandPose] = {"augmented": given.poses}
    columns = {"augmented": summary(given.poses, given, before, engine)}
    for name in options.variants:
        variant, config = VARIANTS[name](engine, OptimisationConfig())
        results[name] = optimise(given.poses, variant, config, threads=options.threads)
        columns[name] = summary(results[name], given, before, engine)
    print_table(columns)
    if options.json:
        options.json.write_text(json.dumps(columns, indent=2) + "\n")
    if options.pictures:
        shown = options.shown or [name for name in given.names if name.endswith("-a001")][::8][:6]
        rows = [given.names.index(name) for name in shown]
        print(write_sheet(results, rows, shown, engine.hands, options.pictures))


if __name__ == "__main__":
    main()

"""Poses before and after optimisation: validity, penetration, contact, limits, naturalness.

python -m benchmarks.poses                       588 poses, the paper's offsets (±90°, ±30°) and schedule
python -m benchmarks.poses --copies 30           the whole gesture library as often as the paper does
"""

import argparse
import json
import os
from pathlib import Path

from benchmarks.candidates import add_arguments, candidates, default_engine
from benchmarks.quality import print_table, summary, verdicts_of
from hands.optimise import OptimisationConfig, optimise

PAPER_KEPT = 0.93
"""Share of optimised poses that RenderIH keeps (supplement §1)."""


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, copies=12)
    parser.add_argument("--iterations", type=int, default=215)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    engine = default_engine()
    given = candidates(engine.hands, options.copies, options.bend, options.splay)
    config = OptimisationConfig(iterations=options.iterations, settle=options.iterations * 165 // 215)
    done = optimise(given.poses, engine, config, threads=options.threads)
    before = verdicts_of(given.poses, engine)
    columns = {
        "augmented": summary(given.poses, given, before, engine),
        "optimised": summary(done, given, before, engine),
    }
    print_table(columns)
    kept = columns["optimised"]["valid (<= 2 mm deep, <= 0.5 degrees out)"]
    print(f"kept by these two rules: {kept:.1%}; the paper keeps {PAPER_KEPT:.0%}")
    if options.json:
        options.json.write_text(json.dumps(columns, indent=2) + "\n")


if __name__ == "__main__":
    main()

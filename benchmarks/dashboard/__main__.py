"""What the dashboard takes over a large dataset: time of every page, memory, and the pace of a job beside it.

    python -m benchmarks.million --images 1000000 --out DIR
    python -m benchmarks.dashboard --dataset DIR
    python -m benchmarks.dashboard --dataset DIR --rounds 0        pages and memory alone

The server is a process of its own, started by the product's command. Pages are the app's own routes; what wants a training or
a study is left out. The job runs beside a server that watches a run which goes on: the dataset's shards, listed one after the
other. The dataset is only read.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.dashboard.job import LivingRun, measure
from benchmarks.dashboard.pages import HEAD, timed
from benchmarks.dashboard.server import serving

LIMIT, GOAL = 2000.0, 500.0
"""Milliseconds that a page may take, and should."""


def main() -> None:
    """Serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="a finished dataset")
    parser.add_argument("--repeats", type=int, default=7, help="times that a page is asked for anew, and as it is kept")
    parser.add_argument("--rounds", type=int, default=6, help="of the job; 0: none")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each part of a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="render-ih-dashboard-") as name:
        pages(options.dataset, Path(name), options.repeats)
        if options.rounds:
            living = LivingRun(options.dataset, Path(name) / "living")
            with serving([living.folder], Path(name) / "ratings") as server:
                server.wait_for_rows()
                print(f"\n{measure(server, living, 'living', options.rounds, options.seconds)}")
                print(f"\nMost memory of that server: {server.peak_mib:.0f} MiB.")


def pages(dataset: Path, folder: Path, repeats: int) -> None:
    """The first table."""
    with serving([dataset], folder / "ratings") as server:
        seconds = server.wait_for_rows()
        (run,) = server.figures("render_ih_run_finished")
        images = server.figures("render_ih_run_shards")
        print(f"Rows of {dataset} ({images[run]:.0f} shards) are read after {seconds:.1f} s.", flush=True)
        before, found = server.peak_mib, timed(server, run, repeats)
        print("\n".join([HEAD, *(one.row for one in found)]), flush=True)
        slow = [one.address for one in found if max(one.first, *one.anew) > LIMIT]
        late = [one.address for one in found if GOAL < max(one.anew) <= LIMIT]
        print(f"\nMost memory: {before:.0f} MiB when the rows are read, {server.peak_mib:.0f} MiB after all pages.")
        print(
            f"Above {GOAL:.0f} ms anew: {', '.join(late) or 'none'}. Above {LIMIT:.0f} ms: {', '.join(slow) or 'none'}.",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""A worker of a run that makes synthetic pictures slowly: `python -m tests.dashboard.producer FOLDER WORKER SECONDS`.

The engine is the real one (claims, records, history, manifest); only the pictures come from the synthetic rasteriser.
"""

import sys
import time
from pathlib import Path

from dataset.assets.hand_files import hand_checksums, load_hands
from dataset.manifest import Manifest
from dataset.schema import TABLES
from dataset.shards import write_shard
from dataset.work import control
from tasks.progress import bar
from tasks.sharing.share import lead
from tasks.sharing.stage import Stage
from tests.dataset.synthetic import make_sample, rejected_row
from tests.flows.observed_run import Run

SHARDS, ROWS = 160, 2
"""Of the run, and images of each shard."""


def prepare(folder: Path) -> None:
    """Poses and plan of the run are made, no image yet."""
    manifest = Manifest.open(folder, {"seed": 1, "inputs": {"hands": hand_checksums(load_hands())}})
    samples = [make_sample(number, load_hands()) for number in range(6)]
    manifest.add("poses", write_shard(manifest.path("poses", "00000"), [s["poses"] for s in samples], TABLES["poses"]))
    refused = [rejected_row(number) for number in range(3)]
    manifest.add("rejected", write_shard(manifest.path("rejected", "00000"), refused, TABLES["rejected"]))
    for number in range(SHARDS):
        name = f"train-{number:05d}"
        rows = [renamed(samples[(ROWS * number + i) % 6]["plan"], number, i) for i in range(ROWS)]
        manifest.add("plan", write_shard(manifest.path("plan", name), rows, TABLES["plan"]))
    control.begin(manifest.store)


def renamed(row: dict, shard: int, number: int) -> dict:
    """A row under a name of its own."""
    return row | {"sample_id": f"s{shard:03d}-{number}"}


def images(seconds: float) -> Stage:
    """A stage whose shards take so long each."""
    samples = [make_sample(number, load_hands()) for number in range(6)]

    def make(run, shard, attempt) -> None:
        number = int(shard.partition("-")[2])
        rows = []
        with bar("Rendering part 1 of 1", ROWS, "images") as advance:
            for i in range(ROWS):
                time.sleep(seconds / ROWS)
                rows.append(renamed(samples[(ROWS * number + i) % 6]["images"], number, i))
                advance(1)
        attempt.write("images", shard, rows)

    return Stage("images", lambda run: sorted(run.manifest.shards["plan"]), make, table="images")


def main() -> None:
    """Work until all is made."""
    folder, worker, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    run = Run(Manifest.read(folder), worker=worker)
    lead(run, images(seconds))


if __name__ == "__main__":
    main()

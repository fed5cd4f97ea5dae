"""A flow that leads a stage at the folder that is given, shows a dataset and says more than Prefect is told; prints its run."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from prefect import flow
from prefect.runtime import flow_run

from dataset.manifest import Manifest
from tasks.observing.artifacts import show_dataset
from tasks.progress import say
from tasks.sharing.share import lead
from tests.flows.observed_run import begun, stage


@flow
def observed(folder: str) -> None:
    run = begun(Path(folder))
    lead(run, stage())
    noise = np.random.default_rng(1).integers(0, 255, (1200, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(run.manifest.folder / "contact_sheet.png")
    show_dataset(Manifest.read(run.store))
    for number in range(100):
        say(f"line {number}")
    sys.stdout.write(f"{flow_run.id}\n")


if __name__ == "__main__":
    observed(sys.argv[1])

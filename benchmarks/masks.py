"""Label masks against what Cycles drew, for every hand of a dataset: overlap (IoU) with and without the outline's pixels.

    python -m benchmarks.masks out/demo --count 20

Images are rendered again from their plan rows, because a dataset keeps the labels and not Cycles' own coverage.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.labels import report_overlaps
from dataset.manifest import Manifest
from dataset.shards import iterate_rows
from rendering.labelling.labels import overlap
from tasks.posed_surfaces import posed_surfaces
from tasks.render_images import labels_of, make_job
from tasks.run import Run, reopen_run


def overlaps(run: Run, row: dict, pose: dict, samples: int) -> tuple[float, float]:
    """Smallest overlap of a hand above 2,000 pixels in one image: all pixels, and outlines left out."""
    posed = posed_surfaces(run, row, pose)
    job = make_job(row, posed.vertices, run)
    drawn = run.renderer.render(replace(job, samples=samples or job.samples, denoise=False)).hands
    labels = labels_of(run, row, posed)
    return overlap(labels, drawn), overlap(labels, drawn, margin=1)


def main() -> None:
    """Parse, render, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--count", type=int, default=0, help="only so many images, spread evenly; 0: all")
    parser.add_argument("--samples", type=int, default=0, help="light paths a pixel; 0: the row's own")
    parser.add_argument("--only", nargs="*", default=(), metavar="SAMPLE_ID", help="these images")
    options = parser.parse_args()
    manifest = Manifest.read(options.dataset)
    poses = {row["pose_id"]: row for row in iterate_rows(manifest.paths("poses"))}
    plan = list(iterate_rows(manifest.paths("plan")))
    plan = plan[:: max(len(plan) // options.count, 1)] if options.count else plan
    plan = [row for row in plan if not options.only or row["sample_id"] in options.only]
    with reopen_run(manifest, manifest.config_sha256) as run:
        found = [(overlaps(run, row, poses[row["pose_id"]], options.samples), row["sample_id"]) for row in plan]
    report_overlaps(found)


if __name__ == "__main__":
    main()

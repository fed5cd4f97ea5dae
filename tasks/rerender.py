"""One image again, from its plan row alone."""

from dataclasses import replace
from pathlib import Path

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.rows import pose_of
from dataset.shards import iterate_rows
from hands.joints import Side
from tasks.config import RenderIHConfig
from tasks.render_images import make_job
from tasks.run import open_run


def rerender_sample(
    dataset: Path, sample_id: str, out: Path, samples: int | None = None, mano: Path | None = None
) -> Path:
    """Render a sample of an existing dataset again and write the PNG; the path written.

    Raises:
        InputError: no dataset there, or no such sample.
    """
    manifest = Manifest.read(dataset)
    row = next((r for r in iterate_rows(manifest.paths("plan")) if r["sample_id"] == sample_id), None)
    if row is None:
        raise InputError(f"{dataset}: has no sample '{sample_id}'; `render-ih inspect` lists what it holds")
    pose = next(r for r in iterate_rows(manifest.paths("poses")) if r["pose_id"] == row["pose_id"])
    stored = {key: value for key, value in manifest.config.items() if key != "inputs"} | {"hands": {"mano": mano}}
    with open_run(RenderIHConfig.model_validate(stored), dataset) as run:
        posed = {side: pose_of([pose[side]]).pose(run.hands[side]) for side in Side}
        fine = {side: run.surfaces[side].vertices(hand.vertices[0].numpy()) for side, hand in posed.items()}
        job = make_job(row, fine, run)
        picture = run.renderer.render(replace(job, samples=samples or job.samples))
    atomic_write(out, picture.png)
    return out

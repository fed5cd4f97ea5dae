"""One image again, from its plan row alone."""

from dataclasses import replace
from pathlib import Path

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.shards import iterate_rows
from rendering.failures import RenderError
from tasks.config import RenderIHConfig
from tasks.posed_surfaces import posed_surfaces
from tasks.render_images import make_job
from tasks.run import open_run


def rerender_sample(
    dataset: Path, sample_id: str, out: Path, samples: int | None = None, mano: Path | None = None
) -> Path:
    """Render a sample of an existing dataset again and write the PNG; the path written.

    Raises:
        InputError: no dataset there, no such sample, or it cannot be drawn here.
    """
    manifest = Manifest.read(dataset)
    row = next((r for r in iterate_rows(manifest.paths("plan")) if r["sample_id"] == sample_id), None)
    if row is None:
        raise InputError(f"{dataset}: has no sample '{sample_id}'; `render-ih inspect` lists what it holds")
    pose = next(r for r in iterate_rows(manifest.paths("poses")) if r["pose_id"] == row["pose_id"])
    stored = {key: value for key, value in manifest.config.items() if key != "inputs"} | {"hands": {"mano": mano}}
    with open_run(RenderIHConfig.model_validate(stored), dataset) as run:
        job = make_job(row, posed_surfaces(run, row, pose).vertices, run)
        try:
            picture = run.renderer.render(replace(job, samples=samples or job.samples))
        except RenderError as error:
            raise InputError(f"{sample_id}: {error}") from error
    atomic_write(out, picture.png)
    return out

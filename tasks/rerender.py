"""One image again, from its plan row alone."""

from dataclasses import replace
from pathlib import Path

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.shards import rows_with
from rendering.failures import RenderError
from tasks.posed_surfaces import posed_surfaces
from tasks.render_images import make_job
from tasks.run import reopen_run


def rerender_sample(
    dataset: Path, sample_id: str, out: Path, samples: int | None = None, mano: Path | None = None
) -> Path:
    """Render a sample of an existing dataset again and write the PNG; the path written.

    Raises:
        InputError: no dataset there, no such sample, or it cannot be drawn here.
    """
    manifest = Manifest.read(dataset)
    found = rows_with(manifest.paths("plan"), "sample_id", {sample_id})
    if not found:
        raise InputError(f"{dataset}: has no sample '{sample_id}'; `render-ih inspect` lists what it holds")
    (pose,) = rows_with(manifest.paths("poses"), "pose_id", {found[0]["pose_id"]})
    with reopen_run(manifest, run_of(manifest, sample_id), mano) as run:
        job = make_job(found[0], posed_surfaces(run, found[0], pose).vertices, run)
        try:
            picture = run.renderer.render(replace(job, samples=samples or job.samples))
        except RenderError as error:
            raise InputError(f"{sample_id}: {error}") from error
    atomic_write(out, picture.png)
    return out


def run_of(manifest: Manifest, sample_id: str) -> str:
    """Checksum of the configuration that planned a sample: its image says so where several runs were put together."""
    if len(manifest.runs) == 1:
        return manifest.config_sha256
    images = rows_with(manifest.paths("images"), "sample_id", {sample_id}, ["provenance.config_sha256"])
    if not images:
        raise InputError(
            f"{manifest.folder}: sample '{sample_id}' was planned but has no image, so nothing says which run's it is"
        )
    return images[0]["provenance"]["config_sha256"]

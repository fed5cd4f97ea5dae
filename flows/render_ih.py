"""The main job: from raw two-hand poses to a published dataset.

collect → (augment → optimise → validate) per pose shard → plan → render per image shard → publish
"""

from pathlib import Path

from prefect import flow

from tasks.augment_poses import augment_poses
from tasks.collect_poses import collect_poses
from tasks.config import RenderIHConfig
from tasks.optimise_poses import optimise_poses
from tasks.plan_images import plan_images
from tasks.publish_dataset import DatasetRef, publish_dataset
from tasks.render_images import render_images
from tasks.run import open_run
from tasks.validate_poses import validate_poses


@flow(name="render-ih", validate_parameters=True)
def render_ih(config: RenderIHConfig, out: Path) -> DatasetRef:
    """Make the dataset that `config` describes in `out`, or finish the one that is there."""
    with open_run(config, out) as run:
        for raw in collect_poses(run):
            if not run.manifest.done("poses", raw.shard):
                candidates = augment_poses(run, raw)
                optimised = optimise_poses(run, candidates)
                validate_poses(run, optimised)
        for shard in plan_images(run):
            render_images(run, shard)
        return publish_dataset(run)


def run_without_server(config: RenderIHConfig, out: Path) -> DatasetRef:
    """The same job in this process, with no Prefect server: every step is a plain call."""
    return render_ih.fn(config, out)

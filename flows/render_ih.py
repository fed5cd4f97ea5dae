"""The main job: from raw two-hand poses to a published dataset.

collect → (augment → optimise → validate) per pose shard → plan → render per image shard → publish

Shards are taken one by one by whoever works on the dataset: this process, runs of `render-ih-shards` on other machines, or
the same command given there.
"""

from pathlib import Path
from typing import Literal

from prefect import flow

from dataset.work.attempt import Attempt
from flows.operation.refusals import refuses_plainly
from tasks.augment_poses import augment_poses
from tasks.collect_poses import candidates, collect_poses
from tasks.config import RenderIHConfig
from tasks.limits import BudgetSpent, QualityAlarm
from tasks.optimise_poses import optimise_poses
from tasks.plan_images import plan_images
from tasks.publish_dataset import DatasetRef, poses_alone, publish_dataset
from tasks.render_images import render_images
from tasks.run import Run, join_run, open_run
from tasks.sharing.pause import pause
from tasks.sharing.share import help_out, lead
from tasks.sharing.stage import Stage
from tasks.validate_poses import validate_poses


def make_poses(run: Run, shard: str, attempt: Attempt) -> None:
    """One shard of candidates: augment → optimise → validate."""
    raw = candidates(run)[int(shard)]
    varied = augment_poses(run, raw)
    optimised = optimise_poses(run, varied)
    validate_poses(run, optimised, attempt)


COLLECT = Stage("collect", lambda run: ["read"], collect_poses, table="rejected")
POSES = Stage("poses", lambda run: candidates(run).shards, make_poses, table="poses")
PLAN = Stage("plan", lambda run: ["plan"], plan_images, table="rejected", also="plan")
IMAGES = Stage("images", lambda run: sorted(run.manifest.shards["plan"]), render_images, table="images")


@flow(name="render-ih", validate_parameters=False)
@refuses_plainly
def render_ih(config: RenderIHConfig, out: str = "out/render-ih") -> DatasetRef:
    """Make the dataset that `config` describes at `out`, a folder or s3://bucket/prefix, or finish the one that is there."""
    with open_run(config, out) as run:
        try:
            lead(run, COLLECT)
            lead(run, POSES)
            if config.limits.poses_only:
                return poses_alone(run)
            lead(run, PLAN)
            lead(run, IMAGES)
        except BudgetSpent as spent:
            return publish_dataset(run, stopped=str(spent))
        except QualityAlarm as alarm:
            pause(run, str(alarm))
        return publish_dataset(run)


@flow(name="render-ih-shards", validate_parameters=False)
@refuses_plainly
def render_ih_shards(config: RenderIHConfig, out: str, stage: Literal["poses", "images"] = "images") -> int:
    """Work on the dataset at `out`, which a run of render-ih leads, until the stage is made; how many shards were made here."""
    with join_run(config, out) as run:
        return help_out(run, POSES if stage == "poses" else IMAGES)


def run_without_server(config: RenderIHConfig, out: str | Path) -> DatasetRef:
    """The main job in this process, with no Prefect server: every step is a plain call."""
    return render_ih.fn(config, str(out))

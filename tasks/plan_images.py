"""The plan: every image decided, in shards of rows that share environments."""

from typing import Any

import numpy as np

from dataset.plan import plan_pose
from dataset.rows import pose_of
from dataset.schema import PLAN
from dataset.shards import iterate_rows, write_shard
from hands.anatomy import forearm_direction
from hands.joints import Side
from tasks.run import Run
from tasks.step import step


@step
def plan_images(run: Run) -> list[str]:
    """Write the missing plan shards; the names of all of them, in order."""
    rows = [row for pose in iterate_rows(run.manifest.paths("poses")) for row in _plan_one(run, pose)]
    size = run.config.shards.images
    shards = [(f"{i // size:05d}", rows[i : i + size]) for i in range(0, len(rows), size)]
    for name, part in shards:
        if not run.manifest.done("plan", name):
            # Blender keeps one environment in memory: rows of one environment follow each other.
            ordered = sorted(part, key=lambda row: (row["hdri"], row["sample_id"]))
            run.manifest.add("plan", write_shard(run.manifest.path("plan", name), ordered, PLAN))
    return [name for name, _ in shards]


def _plan_one(run: Run, pose: dict[str, Any]) -> list[dict[str, Any]]:
    poses = {side: pose_of([pose[side]]) for side in Side}
    vertices = [poses[side].pose(run.hands[side]).vertices[0].numpy() for side in Side]
    forearms = [forearm_direction(poses[side], run.hands[side])[0].numpy() for side in Side]
    config = run.config
    return plan_pose(
        pose["pose_id"],
        pose["split"],
        np.concatenate(vertices).astype(np.float64),
        np.stack(forearms).astype(np.float64),
        config.camera,
        config.look,
        run.environments,
        list(run.skins),
        config.seed,
    )

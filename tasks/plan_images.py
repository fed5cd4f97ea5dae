"""The plan: every image decided, in shards of rows that share environments; views that show too little are listed."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dataset.rows import pose_of
from dataset.schema import PLAN, REJECTED
from dataset.shards import iterate_rows, write_shard
from hands.forearm import WristBend
from hands.joints import Side
from rendering.views.framing import Arms, Fault
from rendering.views.plan import plan_view
from tasks.progress import bar
from tasks.run import Run
from tasks.step import step

Row = dict[str, Any]
WHOLE = "plan"
"""The shard of `rejected` that lists views without a good draw; written last, even empty: the plan is whole."""


@step
def plan_images(run: Run) -> list[str]:
    """Write the plan's shards that are missing; the names of all of them, in order."""
    listed = run.manifest.shards["plan"]
    if not (run.manifest.done("rejected", WHOLE) and all(run.manifest.done("plan", name) for name in listed)):
        _write_plan(run)
    return sorted(run.manifest.shards["plan"])


def _write_plan(run: Run) -> None:
    part, number, refused = [], 0, []
    with bar("Planning views", run.manifest.rows("poses") * run.config.camera.views, "views") as advance:
        for pose in iterate_rows(run.manifest.paths("poses")):
            for row, fault in _views(run, pose):
                part.append(row) if fault is None else refused.append(_refusal(row, pose, fault))
                advance(1)
            while len(part) >= run.config.shards.images:
                _write_shard(run, number, part[: run.config.shards.images])
                part, number = part[run.config.shards.images :], number + 1
    if part:
        _write_shard(run, number, part)
    run.manifest.add("rejected", write_shard(run.manifest.path("rejected", WHOLE), refused, REJECTED))


def _write_shard(run: Run, number: int, rows: list[Row]) -> None:
    """Blender keeps one environment in memory: rows of one environment follow each other."""
    name = f"{number:05d}"
    if not run.manifest.done("plan", name):
        ordered = sorted(rows, key=lambda row: (row["hdri"], row["sample_id"]))
        run.manifest.add("plan", write_shard(run.manifest.path("plan", name), ordered, PLAN))


def _views(run: Run, pose: Row) -> Iterator[tuple[Row, Fault | None]]:
    config, arms, skins = run.config, posed_arms(run, pose), list(run.skins)
    names = (pose["pose_id"], pose["split"])
    for view in range(config.camera.views):
        yield plan_view(*names, view, arms, config.camera, config.look, run.environments, skins, config.seed)


def posed_arms(run: Run, pose: Row) -> Arms:
    """The coarse surfaces of a row of `poses`, forearms included."""
    posed = {side: pose_of([pose[side]]).pose(run.hands[side]).vertices[0].numpy() for side in Side}
    hands = {side: vertices.astype(np.float64) for side, vertices in posed.items()}
    return Arms.place(hands, run.forearms, {side: WristBend(*pose[side]["wrist_bend"]) for side in Side})


def _refusal(row: Row, pose: Row, fault: Fault) -> Row:
    identity = {name: pose[name] for name in ("pose_id", "source", "base_pose", "augmentation")}
    return identity | {"sample_id": row["sample_id"], "stage": "plan"} | vars(fault)

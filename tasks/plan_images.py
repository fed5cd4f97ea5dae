"""The plan: every image decided, shuffled once, in shards of one split each; views that show too little are listed."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from dataset.queries import add_table, database
from dataset.rows import pose_of
from dataset.schema import PLAN, REJECTED
from dataset.shards import iterate_rows, write_shard, write_table
from hands.forearm import WristBend
from hands.joints import Side
from rendering.views.framing import Arms, Fault
from rendering.views.plan import plan_view
from tasks.progress import bar
from tasks.run import Run
from tasks.step import step

Row = dict[str, Any]
_DRAWN = 4096
"""Views kept in memory before they are shuffled."""
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
    refused: list[Row] = []
    with TemporaryDirectory(prefix="render-ih-plan-") as folder:
        drawn = list(_drawn(run, Path(folder), refused))
        for name, rows in shuffled_shards(drawn, run.config.seed, run.config.shards.images):
            if not run.manifest.done("plan", name):
                run.manifest.add("plan", write_table(run.manifest.path("plan", name), [rows], PLAN))
    run.manifest.add("rejected", write_shard(run.manifest.path("rejected", WHOLE), refused, REJECTED))


def _drawn(run: Run, folder: Path, refused: list[Row]) -> Iterator[Path]:
    """Files of the good views in the order of the poses; the others are added to `refused`."""
    part: list[Row] = []
    poses = run.manifest.rows("poses")
    with bar("Planning views", poses * run.config.camera.views, "views") as advance:
        for number, pose in enumerate(iterate_rows(run.manifest.paths("poses")), start=1):
            for row, fault in _views(run, pose):
                part.append(row) if fault is None else refused.append(_refusal(row, pose, fault))
                advance(1)
            if part and (len(part) >= _DRAWN or number == poses):
                path = folder / f"{number:08d}.parquet"
                write_shard(path, part, PLAN)
                yield path
                part = []


def shuffled_shards(drawn: Sequence[Path], seed: int, size: int) -> Iterator[tuple[str, pa.Table]]:
    """Shard names and rows, each shard of one split and a random part of all its views; on disk when they are many.

    The order follows from the seed and the names alone, so a plan that was cut short comes out the same again.
    """
    with database() as connection:
        if not add_table(connection, "drawn", drawn):
            return
        for (split,) in connection.sql("SELECT DISTINCT split FROM drawn ORDER BY 1").fetchall():
            ordered = connection.execute(
                "SELECT * FROM drawn WHERE split = ? ORDER BY md5(concat(?, '/', sample_id)), sample_id", [split, seed]
            )
            for number, rows in enumerate(in_pieces(ordered.to_arrow_reader(size), size)):
                yield f"{split}-{number:05d}", rows


def in_pieces(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of `size` rows, the last one smaller."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        table = pa.Table.from_batches(waiting)
        while len(table) >= size:
            yield table.slice(0, size)
            table = table.slice(size)
        waiting = table.to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting)


def _views(run: Run, pose: Row) -> Iterator[tuple[Row, Fault | None]]:
    config, arms, split = run.config, posed_arms(run, pose), pose["split"]
    shown = (run.environments_of(split), run.skins_of(split))
    for view in range(config.camera.views):
        yield plan_view(pose["pose_id"], split, view, arms, config.camera, config.look, *shown, config.seed)


def posed_arms(run: Run, pose: Row) -> Arms:
    """The coarse surfaces of a row of `poses`, forearms included."""
    posed = {side: pose_of([pose[side]]).pose(run.hands[side]).vertices[0].numpy() for side in Side}
    hands = {side: vertices.astype(np.float64) for side, vertices in posed.items()}
    return Arms.place(hands, run.forearms, {side: WristBend(*pose[side]["wrist_bend"]) for side in Side})


def _refusal(row: Row, pose: Row, fault: Fault) -> Row:
    identity = {name: pose[name] for name in ("pose_id", "source", "base_pose", "augmentation")}
    return identity | {"sample_id": row["sample_id"], "stage": "plan"} | vars(fault)

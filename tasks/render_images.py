"""Executes plan rows: picture by Blender, labels from the surface it drew, one shard at a time."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from dataset.environments import Environment
from dataset.image_row import image_row
from dataset.rows import camera_of, pose_of
from dataset.schema import IMAGES, REJECTED
from dataset.shards import iterate_rows, write_shard
from dataset.versions import code_version
from hands.joints import Side
from rendering.job import RenderedImage, RenderError, RenderJob
from rendering.labels import Labels, make_labels, overlap
from rendering.skins import varied
from tasks.progress import bar
from tasks.run import Run
from tasks.step import step

Row = dict[str, Any]
MIN_OVERLAP = 0.995
"""Least overlap of a labelled hand with the one Cycles drew, outlines apart; below it the image is refused."""


@step
def render_images(run: Run, shard: str) -> int:
    """Render and label one plan shard and publish it; the number of images. A finished shard is left alone."""
    if run.manifest.done("images", shard):
        return run.manifest.shards["images"][shard].rows
    plan = list(iterate_rows([run.manifest.path("plan", shard)]))
    images, refused = [], []
    title = f"Rendering part {int(shard) + 1} of {len(run.manifest.shards['plan'])}"
    with bar(title, len(plan), "images") as advance:
        for kind, row in _rendered(run, plan):
            (images if kind == "image" else refused).append(row)
            advance(1)
    if refused:
        name = f"render-{shard}"
        run.manifest.add("rejected", write_shard(run.manifest.path("rejected", name), refused, REJECTED))
    run.manifest.add("images", write_shard(run.manifest.path("images", shard), images, IMAGES))
    return len(images)


def _rendered(run: Run, plan: list[Row]) -> Iterator[tuple[str, Row]]:
    """("image", row) or ("refused", row) for each plan row; labels of one image are made while the next one renders."""
    poses = {row["pose_id"]: row for row in iterate_rows(run.manifest.paths("poses"))}
    with ThreadPoolExecutor(max_workers=1) as labeller:
        waiting: Future | None = None
        for row in plan:
            finish = render_row(run, row, poses[row["pose_id"]])
            if waiting:
                yield waiting.result()
            waiting = labeller.submit(finish)
        if waiting:
            yield waiting.result()


def render_row(run: Run, row: Row, pose: Row) -> Callable[[], tuple[str, Row]]:
    """Draw one plan row now; what it gives makes the labels and the finished table row."""
    model = {side: pose_of([pose[side]]).pose(run.hands[side]) for side in Side}
    joints = {side: run.hands[side].joints_21(posed)[0].numpy().astype(np.float64) for side, posed in model.items()}
    fine = {side: run.surfaces[side].vertices(posed.vertices[0].numpy()) for side, posed in model.items()}
    try:
        picture = run.renderer.render(make_job(row, fine, run))
    except RenderError as error:
        reason = str(error)
        return lambda: ("refused", _refusal(row, pose, reason, 0.0, 0.0))
    return lambda: _finished(run, row, pose, picture, make_labels(run.surfaces, fine, joints, camera_of(row)))


def make_job(row: Row, fine: dict[Side, np.ndarray], run: Run) -> RenderJob:
    """A plan row and posed surfaces as the renderer wants them."""
    environment: Environment = next(e for e in run.environments if e.id == row["hdri"])
    skin = {
        side: varied(run.skins[row[f"skin_{side}"]], row["skin_variation"], np.random.default_rng(row["seed"]))
        for side in Side
    }
    return RenderJob(
        right=fine[Side.RIGHT],
        left=fine[Side.LEFT],
        camera=camera_of(row),
        hdri=environment.path(run.config.environments.folder),
        hdri_rotation=row["hdri_rotation"],
        hdri_strength=row["hdri_strength"],
        exposure=row["exposure"],
        skin_right=skin[Side.RIGHT],
        skin_left=skin[Side.LEFT],
        samples=row["samples"],
        denoise=row["denoiser"] != "NONE",
        seed=row["seed"],
    )


def _finished(run: Run, row: Row, pose: Row, picture: RenderedImage, labels: Labels) -> tuple[str, Row]:
    agreed = overlap(labels, picture.hands, margin=1)
    if agreed < MIN_OVERLAP:
        return "refused", _refusal(row, pose, "labels differ from the picture", agreed, MIN_OVERLAP)
    provenance = {
        "source": pose["source"],
        "base_pose": pose["base_pose"],
        "augmentation": pose["augmentation"],
        "config_sha256": run.manifest.config_sha256,
        "code_version": code_version(),
    }
    made = {"bpy_version": picture.bpy_version, "device": picture.device, "seconds": picture.seconds}
    return "image", image_row(row, pose, run.hands, picture.png, labels, made, provenance)


def _refusal(row: Row, pose: Row, reason: str, value: float, limit: float) -> Row:
    identity = {name: pose[name] for name in ("pose_id", "source", "base_pose", "augmentation")}
    about = {"sample_id": row["sample_id"], "stage": "render", "reason": reason, "value": value, "limit": limit}
    return identity | about

"""Executes plan rows: picture by Blender, labels from the surface it drew, one shard at a time.

While Cycles draws one image, the next one is posed and the last ones get their labels and files: see `tasks.pipeline`.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from dataset.assets.environments import Environment
from dataset.errors import StorageError
from dataset.image_row import image_row
from dataset.pictures import photo_cell
from dataset.rows import camera_of
from dataset.shards import iterate_rows, rows_with
from dataset.versions import code_version
from dataset.work.attempt import Attempt
from hands.joints import Side
from rendering.checks.picture import check_picture
from rendering.failures import Failure, RenderError
from rendering.job import RenderedImage, RenderJob
from rendering.labelling.labels import Labels, make_labels, overlap
from rendering.skin.skins import Skin, varied
from tasks.pipeline import pipeline
from tasks.posed_surfaces import PosedSurfaces, posed_surfaces
from tasks.progress import bar, say
from tasks.run import Run
from tasks.step import step

Row = dict[str, Any]
MIN_OVERLAP = 0.995
"""Least overlap of a labelled hand with the one Cycles drew, outlines apart; below it the image is refused."""
MOST_FINISHERS = 4
"""Threads that make labels and files; on a GPU one of them is slower than Cycles."""


class Prepared(NamedTuple):
    """An image on its way: what is known of it so far."""

    row: Row
    pose: Row
    posed: PosedSurfaces | None = None
    job: RenderJob | None = None
    picture: RenderedImage | None = None
    error: RenderError | None = None


@step
def render_images(run: Run, shard: str, attempt: Attempt) -> int:
    """Render and label one plan shard; the number of images.

    Blender keeps one environment in memory, so rows of one environment are drawn one after another; they are written in
    the plan's order, which is shuffled.
    """
    plan = list(iterate_rows([run.manifest.fetch("plan", shard)]))
    images, refused, shards = [], [], sorted(run.manifest.shards["plan"])
    title = f"Rendering part {shards.index(shard) + 1} of {len(shards)}"
    with bar(title, len(plan), "images") as advance:
        for kind, row in _rendered(run, sorted(plan, key=lambda row: (row["hdri"], row["sample_id"]))):
            (images if kind == "image" else refused).append(row)
            advance(1)
    if refused:
        name = f"render-{shard}"
        attempt.write("rejected", name, refused)
        say(f"{title}: {summary(refused)}; rejected/{name}.parquet lists them")
    place = {row["sample_id"]: number for number, row in enumerate(plan)}
    images.sort(key=lambda row: place[row["sample_id"]])
    attempt.write("images", shard, images)
    return len(images)


def summary(refused: list[Row]) -> str:
    """How many images were refused and for which classes of reasons, in one line."""
    classes = Counter(row["reason"].partition(":")[0] for row in refused)
    return f"{len(refused)} refused (" + ", ".join(f"{count} {name}" for name, count in classes.most_common()) + ")"


def _rendered(run: Run, plan: list[Row]) -> Iterator[tuple[str, Row]]:
    """("image", row) or ("refused", row) for each plan row, in order."""
    poses = {
        row["pose_id"]: row for row in rows_with(run.manifest.paths("poses"), "pose_id", {r["pose_id"] for r in plan})
    }
    finishers = max(1, min(MOST_FINISHERS, len(os.sched_getaffinity(0)) // 2))
    items = [Prepared(row, poses[row["pose_id"]]) for row in plan]
    return pipeline(items, _careful(run, _prepare), _careful(run, _draw), lambda item: _finish(run, item), finishers)


def _careful(run: Run, stage: Callable[[Run, Prepared], Prepared]) -> Callable[[Prepared], Prepared]:
    """A stage that keeps an image's failure with the image, and lets failed ones pass."""

    def careful(item: Prepared) -> Prepared:
        try:
            return item if item.error else stage(run, item)
        except RenderError as error:
            return item._replace(error=error)

    return careful


def _prepare(run: Run, item: Prepared) -> Prepared:
    posed = posed_surfaces(run, item.row, item.pose)
    return item._replace(posed=posed, job=make_job(item.row, posed.vertices, run))


def _draw(run: Run, item: Prepared) -> Prepared:
    first = not run.renderer.drawing_on
    picture = run.renderer.render(item.job)
    if first:
        say(f"Drawing on {run.renderer.drawing_on}")
    return item._replace(picture=picture)


def _finish(run: Run, item: Prepared) -> tuple[str, Row]:
    try:
        if item.error:
            if item.error.failure is Failure.NO_SPACE:
                raise StorageError(item.error.detail)  # of this machine, not of the image
            raise item.error
        return "image", finished_row(run, item.row, item.pose, item.posed, item.picture)
    except RenderError as error:
        return "refused", _refusal(item.row, item.pose, error)


def finished_row(run: Run, row: Row, pose: Row, posed: PosedSurfaces, picture: RenderedImage) -> Row:
    """The table row of a picture, with its labels.

    Raises:
        RenderError: the picture is bad, or its labels differ from it.
    """
    check_picture(picture)
    labels = labels_of(run, row, posed)
    agreed = overlap(labels, picture.hands, margin=1)
    if agreed < MIN_OVERLAP:
        raise RenderError(Failure.BAD_LABELS, "labels and picture overlap too little", agreed, MIN_OVERLAP)
    provenance = {name: pose[name] for name in ("source", "base_pose", "augmentation")}
    provenance |= {"config_sha256": run.manifest.config_sha256, "code_version": code_version()}
    made = {"bpy_version": picture.bpy_version, "device": picture.device, "seconds": picture.seconds}
    kept = run.config.picture
    image = photo_cell(picture.png, row["sample_id"], kept.quality if kept.format == "jpeg" else None)
    return image_row(row, pose, run.hands, image, labels, made, provenance)


def labels_of(run: Run, row: Row, posed: PosedSurfaces) -> Labels:
    """The labels of a plan row, from the surfaces that are drawn."""
    normals = run.config.labels.normals
    return make_labels(run.surfaces, posed.vertices, posed.joints, camera_of(row), normals=normals)


def make_job(row: Row, fine: dict[Side, np.ndarray], run: Run) -> RenderJob:
    """A plan row and posed surfaces as the renderer wants them.

    Raises:
        RenderError: the row names an environment or a skin that this run does not have.
    """
    environment = _environment(row, run)
    skin = {side: _skin(row, side, run) for side in Side}
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


def _environment(row: Row, run: Run) -> Environment:
    for environment in run.environments:
        if environment.id == row["hdri"]:
            return environment
    raise RenderError(Failure.BAD_INPUT, f"the plan names environment '{row['hdri']}', which this run does not have")


def _skin(row: Row, side: Side, run: Run) -> Skin:
    name = row[f"skin_{side}"]
    if name not in run.skins:
        raise RenderError(Failure.BAD_INPUT, f"the plan names skin '{name}', which this run does not have")
    return varied(run.skins[name], row["skin_variation"], np.random.default_rng(row["seed"]))


def _refusal(row: Row, pose: Row, error: RenderError) -> Row:
    identity = {name: pose[name] for name in ("pose_id", "source", "base_pose", "augmentation")}
    about = {"sample_id": row["sample_id"], "stage": "render", "reason": str(error)}
    return identity | about | {"value": float(error.value), "limit": float(error.limit)}

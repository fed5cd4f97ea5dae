"""What a dataset contains, as figures and as one self-contained page."""

from pathlib import Path

import numpy as np

from dataset.atomic import atomic_write
from dataset.inspection.charts import bars, card, histogram, stacked, viewpoints
from dataset.inspection.contact_sheet import choose_rows, page
from dataset.inspection.statistics import Inspection
from dataset.manifest import Manifest
from hands.joints import JOINTS_21

PAGE = "inspection.html"
_STATES = (("visible", "#4caf7a"), ("own hand", "#f0b64d"), ("other hand", "#e2725b"), ("outside", "#9a9aa5"))


def write_report(dataset_dir: Path, found: Inspection, path: Path | None = None) -> Path:
    """Write the page with figures, charts and labelled samples, inside the dataset unless `path` is given.

    Raises:
        InputError: the directory is not a dataset, a shard is missing or damaged, or the page cannot be written.
    """
    path = path or Path(dataset_dir) / PAGE
    rows = choose_rows(Manifest.read(dataset_dir)) if found.rows["images"] else []
    subtitle = f"{found.rows['images']:,} images of {found.poses_seen:,} poses of two interacting hands"
    atomic_write(path, page(found.name, subtitle, _figures(found) + _charts(found), rows))
    return path


def _figures(found: Inspection) -> str:
    figures = {
        "images": f"{found.rows['images']:,} of {max(found.rows['plan'], found.rows['images']):,}",
        "poses accepted": f"{found.rows['poses']:,}",
        "of judged poses kept": f"{found.acceptance:.0%}",
        "environments": f"{len(found.environments):,}",
        "skins": f"{len(found.skins):,}",
        "of joints visible": f"{found.visible_joints:.0%}",
        "on disk": _size(sum(found.bytes.values())),
        "a rendered image": f"{found.seconds.mean() if len(found.seconds) else 0:.2g} s",
    }
    boxes = [f'<div class="figure"><b>{value}</b><span>{name}</span></div>' for name, value in figures.items()]
    return f'<section class="figures">{"".join(boxes)}</section>'


def _size(count: int | float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _charts(found: Inspection) -> str:
    shares = found.joint_states / np.maximum(found.joint_states.sum(1, keepdims=True), 1)
    cards = [
        card("Base poses", bars(found.base_poses), "images of each"),
        card("Environments", bars(found.environments), "images in each"),
        card("Skins", bars(found.skins), "hands with each; an image has two"),
        card("Splits", bars(found.splits), "images in each"),
        card(
            "Visibility of joints", stacked(dict(zip(JOINTS_21, shares.tolist(), strict=True)), _STATES), "both hands"
        ),
        card("Cameras", viewpoints(found.azimuth, found.elevation), "azimuth across, elevation from −90° up to 90°"),
        card("Visible part of a hand", histogram(100 * found.visible_fraction, "%")),
        card("Camera distance", histogram(found.distance, "m")),
        card("Contact", histogram(found.contact_vertices.astype(float), "vertices"), "vertices in contact, per pose"),
        card("Distance between the hands", histogram(found.min_distance_mm, "mm"), "smallest, per pose"),
        card("Penetration", histogram(found.max_penetration_mm, "mm"), "deepest, per pose"),
        card("Joint limits", histogram(found.limit_excess_deg, "degrees"), "largest excess, per accepted pose"),
        card("Naturalness", histogram(found.naturalness, "probability"), "of the less natural hand, per pose"),
        card("Refused poses", bars(found.rejected), "by step and reason"),
    ]
    return f'<section><h2>Content</h2><div class="charts">{"".join(cards)}</div></section>'

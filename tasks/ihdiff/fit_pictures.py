"""Fits drawn beside what was observed of them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dataset.atomic import atomic_file
from dataset.rows import in_camera_frame
from hands.camera import Camera, look_at
from hands.joints import BONES_21, Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from models.ihdiff.observations import Observations
from models.ihdiff.representation import JOINTS
from tasks.ihdiff.sheets import SIZE, draw_pairs

Hands = dict[Side, HandModel]
_TOWARDS, _ACROSS = np.array([0.35, -0.85, 0.5]), 4
_INKS = ((178, 94, 52), (52, 94, 178))


def write_pictures(
    stem: Path, captions: list[str], poses: TwoHandPose, seen: Observations, rows: list[int], turn: Camera, hands: Hands
) -> tuple[Path, Path]:
    """Draw what was observed of some rows, and the fits beside it, with z up after `turn`: `stem`.jpg and `stem`.png."""
    fits = TwoHandPose(*(in_camera_frame(poses.side(side)[: len(rows)], hands[side], turn) for side in Side))
    width, height = 2 * SIZE[0] + 8, SIZE[1] + 22
    page = Image.new("RGB", (width * min(_ACROSS, len(rows)), height * -(-len(rows) // _ACROSS)), "white")
    pen = ImageDraw.Draw(page)
    for number, (row, fit) in enumerate(zip(rows, draw_pairs(fits, hands), strict=True)):
        x, y = number % _ACROSS * width, number // _ACROSS * height
        page.paste(_seen_joints(seen, row, turn), (x, y))
        page.paste(fit or Image.new("RGB", SIZE, "lightgrey"), (x + SIZE[0], y))
        pen.text((x + 4, y + SIZE[1] + 4), captions[number], fill="black")
    files = stem.with_name(f"{stem.name}.jpg"), stem.with_name(f"{stem.name}.png")
    for path, kind in zip(files, ("JPEG", "PNG"), strict=True):
        with atomic_file(path) as file:
            page.save(file, kind)
    return files


def _seen_joints(observed: Observations, row: int, turn: Camera) -> Image.Image:
    """Joints in space from where the fit is drawn, or those of the image; bones between those that are seen."""
    name, picture = "joints_2d" if observed.joints_3d is None else "joints_3d", Image.new("RGB", SIZE, "white")
    if name not in observed.given or not (seen := observed.seen(name)[row].numpy()).any():
        return picture
    points = observed.known(name)[row].numpy().astype(np.float64)
    if name == "joints_3d":
        points = turn.to_camera(points)
        middle = points[seen].mean(0)
        points = look_at(middle + _TOWARDS, middle, np.array([0.0, 0.0, 1.0]), 0.0, 0.3, *SIZE).to_camera(points)[:, :2]
    low, high = points[seen].min(0), points[seen].max(0)
    points = (points - (low + high) / 2) * 0.85 * min(SIZE / np.maximum(high - low, 1e-9)) + np.array(SIZE) / 2
    pen = ImageDraw.Draw(picture)
    for first, ink in zip((0, JOINTS), _INKS, strict=True):
        for one, other in BONES_21:
            if seen[first + one] and seen[first + other]:
                pen.line([*points[first + one], *points[first + other]], fill=ink, width=3)
        for joint in np.flatnonzero(seen[first : first + JOINTS]) + first:
            pen.ellipse([*(points[joint] - 3), *(points[joint] + 3)], fill=ink)
    return picture

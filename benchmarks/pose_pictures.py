"""Poses as Cycles draws them, side by side: one row a pose, one column a way of making it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dataset.assets.environments import bundled_folder
from hands.camera import Camera, look_at
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from rendering.job import RenderJob
from rendering.skin.skins import load_skins
from rendering.supervisor import Renderer
from rendering.surface import HandSurface

SIZE = (300, 240)
"""Width and height of one picture, pixels."""
TITLE = 18


def write_sheet(
    batches: dict[str, TwoHandPose], rows: list[int], names: list[str], hands: dict[Side, HandModel], folder: Path
) -> Path:
    """Draw the chosen rows of each batch; the file written."""
    sheet = Image.new("RGB", (SIZE[0] * len(batches), (SIZE[1] + TITLE) * len(rows)), "white")
    surfaces = {side: HandSurface.build(hands[side].arrays) for side in Side}
    with Renderer(surfaces, device="AUTO", job_timeout=300) as renderer:
        for line, (row, name) in enumerate(zip(rows, names, strict=True)):
            for column, (title, poses) in enumerate(batches.items()):
                picture = renderer.render(_job(poses[slice(row, row + 1)], hands, surfaces)).png
                corner = (column * SIZE[0], line * (SIZE[1] + TITLE))
                ImageDraw.Draw(sheet).text((corner[0] + 4, corner[1] + 3), f"{title}: {name}", fill="black")
                sheet.paste(Image.open(io.BytesIO(picture)), (corner[0], corner[1] + TITLE))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "poses.png"
    sheet.save(path)
    return path


def _job(pose: TwoHandPose, hands: dict[Side, HandModel], surfaces: dict[Side, HandSurface]) -> RenderJob:
    fine = {side: surfaces[side].vertices(pose.side(side).pose(hands[side]).vertices[0].numpy()) for side in Side}
    skins = load_skins()
    return RenderJob(
        right=fine[Side.RIGHT],
        left=fine[Side.LEFT],
        camera=_camera(np.concatenate(list(fine.values()))),
        hdri=bundled_folder() / "city.exr",
        hdri_rotation=0.5,
        hdri_strength=1.0,
        exposure=0.0,
        skin_right=skins["tan"],
        skin_left=skins["fair_ruddy"],
        samples=8,
    )


def _camera(points: np.ndarray) -> Camera:
    """From the person's front, a little above, far enough to see everything."""
    centre = (points.max(0) + points.min(0)) / 2
    reach = np.linalg.norm(points - centre, axis=1).max()
    towards = np.array([0.5, 0.9, 0.55]) / np.linalg.norm([0.5, 0.9, 0.55])
    eye = centre + towards * 0.75 * reach / np.sin(np.radians(17))  # hands are flatter than the ball around them
    return look_at(eye, centre, np.array([0.0, 0.0, 1.0]), 0.0, np.radians(34), *SIZE)

"""Hand pairs as files: a sheet of small pictures by the project's own renderer, meshes, and a table of poses with measures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFont

from dataset.assets.environments import bundled_folder
from dataset.atomic import atomic_file, atomic_write, is_partial
from dataset.errors import InputError
from dataset.rows import PARAMETERS, pose_cell
from dataset.schema import POSES
from dataset.shards import write_shard
from hands.camera import Camera, look_at
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from hands.referee import Interaction, Referee
from rendering.failures import RenderError
from rendering.job import RenderJob
from rendering.skin.skins import Skin, load_skins
from rendering.supervisor import Renderer
from rendering.surface import HandSurface
from tasks.progress import bar, say

Hands = dict[Side, HandModel]
Size = tuple[int, int]
MOST = 64
"""Pairs on a sheet."""
SIZE = (256, 216)
"""Width and height of one picture, pixels."""
SAMPLES = 8
"""Light paths a pixel."""
_COLUMNS, _GAP, _CAPTION = 8, 6, 20
_PAPER, _INK, _EMPTY = (246, 245, 242), (32, 33, 36), (214, 212, 207)
_SKINS = {Side.RIGHT: "tan", Side.LEFT: "fair_ruddy"}
_TOWARDS = (0.35, -0.85, 0.5)
"""From the hands to the camera: over the person's right shoulder."""
_FIELD = 34.0
"""Of view, degrees."""
RECORD = "samples.json"
"""What the folder holds; only the same samples may be written there again."""
_SHOWN = 3
_MEASURED = ("min_distance_mm", "max_penetration_mm", "contact_vertices", "limit_excess_deg")


def _parameters(side: Side) -> pa.Field:
    """The pose table's column of a hand without what a run adds."""
    column = POSES.field(str(side))
    return pa.field(column.name, pa.struct([f for f in column.type if f.name in PARAMETERS]), metadata=column.metadata)


SCHEMA = pa.schema([POSES.field("pose_id"), *map(_parameters, Side), *map(POSES.field, _MEASURED)])
"""Those columns of a dataset's `poses` that a pair has which no run has made."""


def open_folder(out: Path, record: dict[str, Any]) -> None:
    """Make the folder, or go on in one that holds these very samples.

    Args:
        record: what decides them, plain JSON values.

    Raises:
        InputError: it holds something else, or cannot be written.
    """
    names = sorted(path.name for path in out.glob("*") if not is_partial(path))
    if names and RECORD not in names:
        raise InputError(f"{out}: is not empty (it holds {', '.join(names[:_SHOWN])}); give an empty directory")
    if names:
        _refuse_other(out, record)
    atomic_write(out / RECORD, json.dumps(record, indent=1) + "\n")


def _refuse_other(out: Path, record: dict[str, Any]) -> None:
    try:
        there = dict(json.loads((out / RECORD).read_text(encoding="utf-8")))
    except (ValueError, TypeError, OSError) as error:
        raise InputError(f"{out / RECORD}: is damaged; give an empty directory") from error
    if different := [name for name in record if there.get(name) != record[name]]:
        raise InputError(f"{out}: holds other samples (another {', '.join(different)}); give an empty directory")


def write_poses(path: Path, names: list[str], poses: TwoHandPose, hands: Hands) -> list[Interaction]:
    """Write pairs in the world as `source.kind=parquet` reads them, with their exact measures, which are returned.

    Raises:
        InputError: the file cannot be written.
    """
    referee, rows, judged = Referee(hands), [], []
    with bar("measuring", len(poses), "pairs") as advance:
        for row, name in enumerate(names):
            pose = poses[[row]]
            judged += referee.judge(pose)
            cells = {str(side): pose_cell(pose.side(side)) for side in Side}
            rows.append({"pose_id": name} | cells | {key: getattr(judged[-1], key) for key in _MEASURED})
            advance(1)
    write_shard(path, rows, SCHEMA)
    return judged


def write_meshes(folder: Path, names: list[str], poses: TwoHandPose, hands: Hands) -> None:
    """Write NAME_right.obj and NAME_left.obj of each pair: metres, z up, the hand model's own vertices.

    Raises:
        InputError: the folder cannot be written.
    """
    for side in Side:
        faces = "".join(f"f {a} {b} {c}\n" for a, b, c in (hands[side].arrays.faces + 1).tolist())
        for row, name in enumerate(names):
            (vertices,) = poses.side(side)[[row]].pose(hands[side]).vertices.tolist()
            points = "".join(f"v {x:.7f} {y:.7f} {z:.7f}\n" for x, y, z in vertices)
            atomic_write(folder / f"{name}_{side}.obj", points + faces)


def write_sheet(
    stem: Path, captions: list[str], poses: TwoHandPose, hands: Hands, size: Size = SIZE
) -> tuple[Path, Path]:
    """Draw pairs in a grid; the files `stem`.jpg and `stem`.png.

    What cannot be drawn is an empty field, and told.

    Args:
        stem: path without an ending.
        captions: below each picture, one for each pair.
        poses: in the world (z up), all finite.
        size: of one picture, pixels.

    Raises:
        InputError: Blender cannot start here, or the files cannot be written.
    """
    sheet = _grid(captions, draw_pairs(poses, hands, size), size)
    files = stem.with_name(f"{stem.name}.jpg"), stem.with_name(f"{stem.name}.png")
    for path, options in zip(files, ({"format": "JPEG", "quality": 88}, {"format": "PNG"}), strict=True):
        with atomic_file(path) as file:
            sheet.save(file, **options)
    return files


def draw_pairs(poses: TwoHandPose, hands: Hands, size: Size = SIZE) -> list[Image.Image | None]:
    """A picture of each pair, seen from where the person looks; None for one that cannot be drawn.

    Raises:
        InputError: Blender cannot start here.
    """
    surfaces = {side: HandSurface.build(hands[side].arrays) for side in Side}
    skins = load_skins()
    pictures: list[Image.Image | None] = []
    with Renderer(surfaces) as renderer, bar("drawing pictures", len(poses), "pairs") as advance:
        for row in range(len(poses)):
            try:
                job = _job(poses[[row]], hands, surfaces, skins, size)
                pictures.append(Image.fromarray(renderer.render(job).pixels))
            except RenderError as error:
                say(f"pair {row} cannot be drawn: {error}", level="warning")
                pictures.append(None)
            advance(1)
    return pictures


def _job(
    pose: TwoHandPose, hands: Hands, surfaces: dict[Side, HandSurface], skins: dict[str, Skin], size: Size
) -> RenderJob:
    posed = {side: pose.side(side).pose(hands[side]).vertices[0].numpy() for side in Side}
    fine = {side: surfaces[side].vertices(posed[side]) for side in Side}
    return RenderJob(
        right=fine[Side.RIGHT],
        left=fine[Side.LEFT],
        camera=_camera(np.concatenate(list(posed.values())), size),
        hdri=bundled_folder() / "city.exr",
        hdri_rotation=0.5,
        hdri_strength=1.0,
        exposure=0.0,
        skin_right=skins[_SKINS[Side.RIGHT]],
        skin_left=skins[_SKINS[Side.LEFT]],
        samples=SAMPLES,
    )


def _camera(points: np.ndarray, size: Size) -> Camera:
    """Far enough that both hands are seen, if not all of the forearms."""
    centre = (points.max(0) + points.min(0)) / 2
    reach = np.linalg.norm(points - centre, axis=1).max()
    eye = centre + np.array(_TOWARDS) / np.linalg.norm(_TOWARDS) * 0.85 * reach / np.sin(np.radians(_FIELD / 2))
    return look_at(eye, centre, np.array([0.0, 0.0, 1.0]), 0.0, np.radians(_FIELD), *size)


def _grid(captions: list[str], pictures: list[Image.Image | None], size: Size) -> Image.Image:
    columns = min(_COLUMNS, len(pictures))
    step = size[0] + _GAP, size[1] + _CAPTION + _GAP
    lines = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (_GAP + columns * step[0], _GAP + lines * step[1]), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (caption, picture) in enumerate(zip(captions, pictures, strict=True)):
        line, column = divmod(number, columns)
        corner = _GAP + column * step[0], _GAP + line * step[1]
        sheet.paste(picture or Image.new("RGB", size, _EMPTY), corner)
        pen.text((corner[0] + 2, corner[1] + size[1] + 2), caption, fill=_INK, font=font)
    return sheet

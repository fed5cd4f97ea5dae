"""Draws every skin from the back, the palm and the side with the forearm: `python -m benchmarks.skin_chart --out FILE`."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dataset.assets.environments import bundled_folder
from dataset.assets.hand_files import load_hands
from hands.camera import Camera, look_at
from hands.gestures import Gesture, GestureHand, gesture_pose
from hands.joints import Side
from rendering.job import RenderJob
from rendering.skin.colour import albedo, typology
from rendering.skin.skins import Skin
from rendering.skin.textures import choose_skins, texture_coordinates, with_coordinates
from rendering.supervisor import Renderer
from rendering.surface import HandSurface

TILE = (168, 200)
COLUMNS = 3
CAPTION = 16
FINGERS = {
    "thumb": (5.0, 0.0, 12.0, 8.0),
    "index": (8.0, -4.0, 12.0, 8.0),
    "middle": (12.0, 0.0, 12.0, 8.0),
    "ring": (15.0, 3.0, 12.0, 8.0),
    "pinky": (18.0, 6.0, 12.0, 8.0),
}
VIEWS = {
    # side that is drawn, direction from the hand to the camera, what is in the middle (metres above the palm), degrees
    "back": (Side.RIGHT, (0.10, -0.60, 0.10), 0.015, 24.0),
    "palm": (Side.LEFT, (0.06, -0.60, 0.08), 0.015, 24.0),
    "side": (Side.RIGHT, (-0.52, -0.42, 0.04), -0.080, 34.0),
}


def main() -> None:
    """Render, lay out and save the chart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="textures of your own")
    arguments = parser.parse_args()
    hands = load_hands(None)
    coordinates = {side: texture_coordinates(arguments.folder, model.arrays) for side, model in hands.items()}
    skins = choose_skins(arguments.folder, (), coordinates[Side.RIGHT])
    surfaces = {
        side: HandSurface.build(with_coordinates(model.arrays, coordinates[side])) for side, model in hands.items()
    }
    vertices = posed_vertices(hands, surfaces)
    with Renderer(surfaces) as renderer:
        rows = {
            name: [tile(renderer, vertices, skin, v, arguments.samples) for v in VIEWS] for name, skin in skins.items()
        }
    chart(rows, skins).save(arguments.out, quality=76, optimize=True)
    print(f"{len(rows)} skins x {len(VIEWS)} views: {arguments.out}, {arguments.out.stat().st_size / 1000:.0f} kB")


def posed_vertices(hands: dict, surfaces: dict[Side, HandSurface]) -> dict[Side, np.ndarray]:
    """Relaxed hands, fingers up: the right one turns its back to the camera, the left one its palm."""
    right = GestureHand((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), FINGERS)
    left = GestureHand((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0), FINGERS)
    pose = gesture_pose(Gesture("chart", "", right, left), hands[Side.RIGHT], hands[Side.LEFT])
    return {side: surfaces[side].vertices(pose.side(side).pose(hands[side]).vertices[0].numpy()) for side in Side}


def tile(renderer: Renderer, vertices: dict[Side, np.ndarray], skin: Skin, view: str, samples: int) -> Image.Image:
    """One picture of one skin; the hand that is not looked at is moved out of sight."""
    side, direction, height, degrees = VIEWS[view]
    aside = {s: vertices[s] + (0.0 if s is side else 1.0) * np.array([0.0, 0.0, -2.0]) for s in Side}
    job = RenderJob(
        right=aside[Side.RIGHT].astype(np.float32),
        left=aside[Side.LEFT].astype(np.float32),
        camera=_camera(np.array(direction), height, degrees),
        hdri=bundled_folder() / "city.exr",
        hdri_rotation=0.5,
        hdri_strength=1.0,
        exposure=0.0,
        skin_right=skin,
        skin_left=skin,
        samples=samples,
    )
    return Image.fromarray(renderer.render(job).pixels)


def chart(rows: dict[str, list[Image.Image]], skins: dict[str, Skin]) -> Image.Image:
    """All tiles with names and typology classes, a few skins abreast."""
    width, height = len(VIEWS) * TILE[0] + 6, TILE[1] + CAPTION
    down = -(-len(rows) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, down * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (name, tiles) in enumerate(rows.items()):
        x, y = number // down * width, number % down * height
        skin = skins[name]
        angle, kind = typology(albedo(skin.melanin, skin.haemoglobin, skin.carotene))
        draw.text((x + 2, y + 1), f"{name.replace('_', ' ')}  ({kind}, {angle:.0f}°)", fill="black", font=font)
        for k, picture in enumerate(tiles):
            sheet.paste(picture, (x + k * TILE[0], y + CAPTION))
    return sheet


def _camera(direction: np.ndarray, height: float, degrees: float) -> Camera:
    target = np.array([0.0, 0.0, height])
    return look_at(target + direction, target, np.array([0.0, 0.0, 1.0]), 0.0, np.radians(degrees), *TILE)


if __name__ == "__main__":
    main()

"""Labels drawn over an image: joints and bones coloured by finger, hand masks, part masks.

A full dot is a visible joint, a hollow one is hidden; the ring around the wrist says which hand.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, ImageDraw

from dataset.pictures import photo, values
from dataset.rows import joints_2d
from hands.joints import BONES_21, FINGERS, JOINTS_21, MANO_JOINTS, JointState, Side

Colour = tuple[int, int, int]

FINGER_COLOURS: dict[str, Colour] = {
    "thumb": (255, 107, 107),
    "index": (255, 190, 61),
    "middle": (112, 214, 110),
    "ring": (64, 196, 235),
    "pinky": (190, 140, 255),
}
WRIST_COLOUR: Colour = (245, 245, 245)
HAND_COLOURS: dict[Side, Colour] = {Side.RIGHT: (255, 138, 61), Side.LEFT: (58, 134, 255)}
MASK_OPACITY = 0.55
_SMOOTH = 3
"""Drawn this many times larger and reduced: PIL's own lines have steps."""


def joint_colour(joint: int) -> Colour:
    """Colour of entry `joint` of `JOINTS_21`."""
    return FINGER_COLOURS.get(JOINTS_21[joint].split("_")[0], WRIST_COLOUR)


@cache
def _hand_palette() -> UInt8[np.ndarray, "256 3"]:
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[1:3] = [HAND_COLOURS[Side.RIGHT], HAND_COLOURS[Side.LEFT]]
    return palette


@cache
def part_palette() -> UInt8[np.ndarray, "256 3"]:
    """Finger hues, lighter towards the tip; the left hand's are darker and its palm grey-blue."""
    palette = np.zeros((256, 3), dtype=np.uint8)
    for part, name in enumerate(MANO_JOINTS):
        finger, _, segment = name.partition("_")
        base = np.array(FINGER_COLOURS.get(finger, (225, 215, 205)), dtype=float)
        light = 0.22 * (int(segment or 2) - 2)
        shade = base + (255 - base) * light if light > 0 else base * (1 + light)
        palette[1 + part], palette[17 + part] = shade, 0.62 * shade + (0, 10, 40)
    palette[33], palette[34] = (150, 140, 132), (112, 110, 118)
    return palette


def mask_layer(row: Mapping[str, Any], column: str, opacity: float = MASK_OPACITY) -> Image.Image:
    """`mask_hands` or `mask_parts` as a transparent coloured picture with an outline."""
    numbers = values(row[column])
    palette = part_palette() if column == "mask_parts" else _hand_palette()
    alpha = np.where(numbers > 0, round(255 * opacity), 0)
    alpha[_outline(numbers)] = 255
    return Image.fromarray(np.dstack([palette[numbers], alpha]).astype(np.uint8))


def _outline(numbers: Int[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Labelled pixels with another label above, below, left or right."""
    padded = np.pad(numbers, 1, mode="edge")
    moved = (padded[2:, 1:-1], padded[:-2, 1:-1], padded[1:-1, 2:], padded[1:-1, :-2])
    return (numbers > 0) & np.any([side != numbers for side in moved], axis=0)


def draw_mask(picture: Image.Image, row: Mapping[str, Any], column: str = "mask_hands") -> Image.Image:
    """A picture with a coloured mask over it, at the picture's size."""
    layer = mask_layer(row, column).resize(picture.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def draw_joints(picture: Image.Image, row: Mapping[str, Any]) -> Image.Image:
    """A picture with both hands' bones and joints over it; the picture may be scaled against the row's pixels."""
    scale = _SMOOTH * picture.width / row["width"]
    layer = Image.new("RGBA", (picture.width * _SMOOTH, picture.height * _SMOOTH), (0, 0, 0, 0))
    pen, unit = ImageDraw.Draw(layer), _SMOOTH * max(picture.width / 320, 0.75)
    for side in _far_hand_first(row):
        _draw_hand(pen, joints_2d(row[side]) * scale, np.asarray(row[side]["joint_state"]), HAND_COLOURS[side], unit)
    layer = layer.resize(picture.size, Image.Resampling.LANCZOS)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _far_hand_first(row: Mapping[str, Any]) -> list[Side]:
    return sorted(Side, key=lambda side: -float(np.mean(row[side]["joints_3d"][2::3])))


def _draw_hand(
    pen: ImageDraw.ImageDraw,
    points: Float[np.ndarray, "21 2"],
    states: Int[np.ndarray, "21"],
    ring: Colour,
    unit: float,
) -> None:
    dark = (16, 18, 24, 170)
    for a, b in BONES_21:
        line = [tuple(points[a]), tuple(points[b])]
        pen.line(line, fill=dark, width=round(2.6 * unit))
        pen.line(
            line, fill=(*joint_colour(b), 255 if states[b] == JointState.VISIBLE else 150), width=round(1.4 * unit)
        )
    for joint, (x, y) in enumerate(points):
        radius, colour = (4.2 if joint == 0 else 2.6) * unit, ring if joint == 0 else joint_colour(joint)
        visible = states[joint] == JointState.VISIBLE
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(
            box,
            fill=(*colour, 255) if visible else dark,
            outline=dark if visible else (*colour, 255),
            width=round(unit),
        )


def annotated(row: Mapping[str, Any], mask: str | None = None, joints: bool = True) -> Image.Image:
    """The row's picture with the labels asked for."""
    picture = photo(row["image"])
    picture = draw_mask(picture, row, mask) if mask else picture
    return draw_joints(picture, row) if joints else picture


def legend() -> dict[str, Colour]:
    """Names and colours for a caption, right and left hand first."""
    return {f"{side} hand": colour for side, colour in HAND_COLOURS.items()} | {f: FINGER_COLOURS[f] for f in FINGERS}

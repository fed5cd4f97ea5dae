"""A sample's picture, scaled, with the labels that were asked for drawn over it."""

import io
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from dataset.pictures import values

WIDTHS = (240, 360, 480, 720, 1024, 1440, 2048)
"""In pixels: few, so that few pictures are drawn for all screens."""
ENLARGED = 1440
"""A picture is enlarged to this width at most, so that lines over a small one are fine."""
_QUALITY = 88
_GREY, _PALE = (128, 132, 139), (226, 228, 232)
_NEAR_TO_FAR = ((255, 226, 150), (247, 132, 76), (198, 62, 106), (112, 36, 122), (38, 24, 74))
"""As the viewer of single samples paints depth."""
_DARK = (16, 18, 24, 190)
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What PIL raises for bytes that are no picture."""

Row = Mapping[str, Any]


class Layer(NamedTuple):
    """Something that can be drawn over a picture."""

    name: str
    """In addresses."""
    title: str
    columns: tuple[str, ...]
    """Of `images`, besides the picture and its size."""


_HANDS = ("right", "left")
LAYERS = (
    Layer("depth", "Depth", ("depth",)),
    Layer("parts", "Parts", ("mask_parts",)),
    Layer("hands", "Hands", ("mask_hands",)),
    Layer("amodal", "Amodal", ("mask_right_amodal", "mask_left_amodal")),
    Layer("boxes", "Boxes", _HANDS),
    Layer("joints", "Joints", _HANDS),
)
"""In the order in which they are drawn."""


def known_layers(asked: Iterable[str]) -> tuple[str, ...]:
    """The names that there are, in drawing order; each of `asked` may be several with commas between."""
    names = {name for text in asked for name in text.split(",")}
    return tuple(layer.name for layer in LAYERS if layer.name in names)


def known_width(asked: str | None, default: int = 480) -> int:
    """The next of `WIDTHS` that is at least as large as the one asked for."""
    try:
        wanted = int(asked or default)
    except ValueError:
        wanted = default
    return next((width for width in WIDTHS if width >= wanted), WIDTHS[-1])


def columns_of(layers: Iterable[str]) -> tuple[str, ...]:
    """Columns of `images` that `drawn` needs."""
    needed = [column for layer in LAYERS if layer.name in set(layers) for column in layer.columns]
    return ("image", "width", "height", *dict.fromkeys(needed))


def drawn(row: Row, layers: Iterable[str], width: int) -> bytes:
    """A row's picture as JPEG.

    What cannot be decoded is told on the picture itself: a grey one where there is none, with joints and boxes all the same.

    Args:
        row: with `columns_of(layers)`.
        layers: names, see `known_layers`.
        width: most pixels across; larger than the picture and `ENLARGED` is never drawn.
    """
    width = min(width, max(row["width"], ENLARGED))
    size = (width, max(1, min(4 * width, round(width * row["height"] / max(row["width"], 1)))))
    picture, told = _photo(row, size)
    lacking = []
    for layer in layers:
        try:
            picture = _DRAWN[layer](picture, row)
        except UNREADABLE:
            lacking.append(layer)
    told += [f"labels lacking: {', '.join(lacking)}"] if lacking else []
    if told:
        _tell(picture, "; ".join(told))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def _photo(row: Row, size: tuple[int, int]) -> tuple[Image.Image, list[str]]:
    """The picture at a size, and what is to be told of it."""
    try:
        picture = Image.open(io.BytesIO(row["image"]["bytes"]))
        picture.draft("RGB", size)
        return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), []
    except UNREADABLE:
        return Image.new("RGB", size, _GREY), ["no picture"]


def _tell(picture: Image.Image, text: str) -> None:
    """A line at the lower border."""
    height = min(22, max(10, picture.width // 32))
    place = (picture.width / 2, picture.height - height)
    font = ImageFont.load_default(height)
    ImageDraw.Draw(picture).text(place, text, _PALE, font, anchor="ms", stroke_width=1, stroke_fill=_GREY)


def _mask(column: str) -> Callable[[Image.Image, Row], Image.Image]:
    def draw(picture: Image.Image, row: Row) -> Image.Image:
        from dataset.inspection.overlay import draw_mask  # torch is loaded with it: for those who look at labels

        return draw_mask(picture, row, column)

    return draw


def _depth(picture: Image.Image, row: Row) -> Image.Image:
    """Light where it is near, dark where it is far; the picture elsewhere."""
    depth = values(row["depth"])
    there = depth > 0
    near, far = (int(edge(depth[there])) for edge in (np.min, np.max)) if there.any() else (0, 1)
    colours = _ramp()[((depth - near) * 255 // max(far - near, 1)).clip(0, 255)]
    layer = Image.fromarray(np.dstack([colours, np.where(there, 255, 0)]).astype(np.uint8))
    return _over(picture, layer.resize(picture.size, Image.Resampling.NEAREST))


@cache
def _ramp() -> UInt8[np.ndarray, "256 3"]:
    stops = np.linspace(0, 255, len(_NEAR_TO_FAR))
    channels = [np.interp(np.arange(256), stops, values) for values in zip(*_NEAR_TO_FAR, strict=True)]
    return np.stack(channels, axis=1).astype(np.uint8)


def _amodal(picture: Image.Image, row: Row) -> Image.Image:
    """Each hand as if it were alone: where they overlap, both colours show."""
    from dataset.inspection.overlay import mask_layer

    for number, side in enumerate(_HANDS, start=1):
        alone = values(row[f"mask_{side}_amodal"]) > 0
        buffer = io.BytesIO()
        Image.fromarray((number * alone).astype(np.uint8)).save(buffer, "PNG", compress_level=1)
        layer = mask_layer({"mask_hands": {"bytes": buffer.getvalue()}}, "mask_hands", 0.4)
        picture = _over(picture, layer.resize(picture.size, Image.Resampling.BILINEAR))
    return picture


def _boxes(picture: Image.Image, row: Row) -> Image.Image:
    from dataset.inspection.overlay import HAND_COLOURS

    scale, thick = picture.width / row["width"], max(2, picture.width // 240)
    pen = ImageDraw.Draw(picture)
    for side, colour in HAND_COLOURS.items():
        x, y, width, height = (float(value) * scale for value in row[str(side)]["bbox"])
        if width > 0 and height > 0:
            pen.rectangle((x, y, x + width, y + height), outline=colour, width=thick)
    return picture


def _joints(picture: Image.Image, row: Row) -> Image.Image:
    """Bones and joints; besides, a square around joints behind the other hand, a wedge where those outside would be."""
    from dataset.inspection.overlay import HAND_COLOURS, draw_joints, joint_colour
    from hands.joints import JointState

    picture = draw_joints(picture, row)
    pen, unit = ImageDraw.Draw(picture, "RGBA"), max(picture.width / 320, 0.75)
    for side, wrist in HAND_COLOURS.items():
        points = np.asarray(row[side]["joints_2d"], dtype=float).reshape(21, 2) * picture.width / row["width"]
        for joint, state in enumerate(row[side]["joint_state"]):
            colour = joint_colour(joint) if joint else wrist
            if state == JointState.HIDDEN_BY_OTHER_HAND:
                _square(pen, points[joint], (4.2 if joint else 5.8) * unit, colour, unit)
            elif state == JointState.OUTSIDE_IMAGE:
                _wedge(pen, points[joint], picture.size, 6 * unit, colour)
    return picture


def _square(
    pen: ImageDraw.ImageDraw, at: Float[np.ndarray, "2"], reach: float, colour: tuple[int, int, int], unit: float
) -> None:
    box = (at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach)
    pen.rectangle(box, outline=_DARK, width=max(2, round(1.6 * unit)))
    pen.rectangle(box, outline=colour, width=max(1, round(0.9 * unit)))


def _wedge(
    pen: ImageDraw.ImageDraw,
    at: Float[np.ndarray, "2"],
    size: tuple[int, int],
    length: float,
    colour: tuple[int, int, int],
) -> None:
    """At the border, with its point towards the joint."""
    edge = at.clip(0, np.array(size, dtype=float) - 1)
    way = at - edge
    along = way / np.linalg.norm(way) if way.any() else np.array([0.0, -1.0])
    across, back = np.array([-along[1], along[0]]), edge - length * along
    corners = [tuple(edge), tuple(back + 0.6 * length * across), tuple(back - 0.6 * length * across)]
    pen.polygon(corners, fill=colour, outline=_DARK)


def _over(picture: Image.Image, layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


_DRAWN: Mapping[str, Callable[[Image.Image, Row], Image.Image]] = {
    "depth": _depth,
    "parts": _mask("mask_parts"),
    "hands": _mask("mask_hands"),
    "amodal": _amodal,
    "boxes": _boxes,
    "joints": _joints,
}

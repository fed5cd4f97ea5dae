"""A contact sheet: a few samples of a dataset with their labels, as one PNG and as one self-contained page."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from dataset.atomic import atomic_file, atomic_write
from dataset.errors import InputError
from dataset.inspection.charts import STYLE
from dataset.inspection.choice import chosen_places
from dataset.inspection.damage import undecodable_picture_explained
from dataset.inspection.overlay import HAND_COLOURS, draw_joints, draw_mask, joint_colour, legend, mask_layer
from dataset.manifest import Manifest
from dataset.pictures import photo
from dataset.queries import readable
from dataset.rows import joints_2d
from dataset.shards import open_shard, rows_at
from hands.joints import BONES_21, JointState, Side

TILES = 24
PNG_WIDTH = 2400
_COLUMNS, _GAP, _CAPTION = 6, 16, 46
_PAPER, _INK, _FAINT = (246, 245, 242), (32, 33, 36), (122, 122, 118)
_THUMB_WIDTH = 480
COLUMNS = (
    "sample_id",
    "split",
    "width",
    "height",
    "image",
    "mask_hands",
    "mask_parts",
    "right",
    "left",
    "render",
    "provenance",
)

NO_SAMPLES = '<p class="nothing">There are no pictures.</p>'

Rows = Sequence[Mapping[str, Any]]


def choose_rows(manifest: Manifest, count: int = TILES) -> list[dict[str, Any]]:
    """Rows for a contact sheet: one of each base pose in turn, bases spread evenly by name; the same every time.

    Raises:
        InputError: the dataset has no images yet, or a shard is missing or damaged.
    """
    paths = manifest.paths("images")
    if not manifest.rows("images"):
        raise InputError(f"{manifest.folder}: holds no images yet; run the generator until a shard is done")
    for path in paths:
        open_shard(path).close()
    with readable(manifest.folder):
        chosen = chosen_places(paths, count)
    return [row for path in paths for row in rows_at(path, chosen.get(str(path), ()), COLUMNS)]


def with_pictures(rows: Rows) -> Rows:
    """Those whose pictures were not left out."""
    return [row for row in rows if all(row[name]["bytes"] for name in ("image", "mask_hands", "mask_parts"))]


def write_png(rows: Rows, path: Path) -> None:
    """One picture: each sample plain and, beside it, with hand masks and joints.

    Raises:
        InputError: a picture cannot be decoded, or the file cannot be written.
    """
    columns = min(_COLUMNS, 2 * len(rows))
    tile = (PNG_WIDTH - _GAP * (_COLUMNS + 1)) // _COLUMNS
    heights = [round(tile * row["height"] / row["width"]) for row in rows]
    step = max(heights) + _CAPTION + _GAP
    lines = -(-2 * len(rows) // columns)
    sheet = Image.new("RGB", (_GAP + columns * (tile + _GAP), _GAP + lines * step), _PAPER)
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        line, pair = divmod(number, columns // 2)
        with undecodable_picture_explained(row["sample_id"]):
            _paste_pair(sheet, row, (_GAP + 2 * pair * (tile + _GAP), _GAP + line * step), (tile, height))
    with atomic_file(path) as file:
        sheet.save(file, "PNG", optimize=True)


def _paste_pair(sheet: Image.Image, row: Mapping[str, Any], corner: tuple[int, int], size: tuple[int, int]) -> None:
    x, y = corner
    plain = photo(row["image"]).resize(size, Image.Resampling.LANCZOS)
    sheet.paste(plain, (x, y))
    sheet.paste(draw_joints(draw_mask(plain, row), row), (x + size[0] + _GAP, y))
    pen, bold, small = ImageDraw.Draw(sheet), ImageFont.load_default(17), ImageFont.load_default(14)
    title, details = caption(row)
    pen.text((x, y + size[1] + 5), title, fill=_INK, font=bold)
    pen.text((x, y + size[1] + 25), _fitting(details, small, 2 * size[0]), fill=_FAINT, font=small)


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while font.getlength(text) > width:
        text = text[:-2] + "…"
    return text


def caption(row: Mapping[str, Any]) -> tuple[str, str]:
    """Title and details of a sample."""
    look, skins = row["render"], {row["render"]["skin_right"], row["render"]["skin_left"]}
    return row["sample_id"], " · ".join([row["provenance"]["base_pose"], look["hdri"], " + ".join(sorted(skins))])


def html_cards(rows: Rows) -> str:
    """The samples as page fragments: picture, two masks and a drawing of the joints, stacked.

    Raises:
        InputError: a picture cannot be decoded.
    """
    cards = []
    for row in rows:
        with undecodable_picture_explained(row["sample_id"]):
            cards.append(_card(row))
    return "\n".join(cards)


def _card(row: Mapping[str, Any]) -> str:
    size = (min(_THUMB_WIDTH, row["width"]), round(min(_THUMB_WIDTH, row["width"]) * row["height"] / row["width"]))
    title, details = (html.escape(text) for text in caption(row))
    layers = [f'<img src="{_uri(photo(row["image"]).resize(size, Image.Resampling.LANCZOS), "JPEG")}" alt="{title}">']
    for name in ("hands", "parts"):
        layer = mask_layer(row, f"mask_{name}").resize(size, Image.Resampling.NEAREST)
        layers.append(f'<img class="layer {name}" src="{_uri(layer, "PNG")}" alt="">')
    layers.append(joints_svg(row))
    frame = f'<div class="frame" style="aspect-ratio:{row["width"]}/{row["height"]}">{"".join(layers)}</div>'
    return f'<figure class="card">{frame}<figcaption><b>{title}</b><span>{details}</span></figcaption></figure>'


def _uri(picture: Image.Image, kind: str) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 85} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def joints_svg(row: Mapping[str, Any]) -> str:
    """Bones and joints of both hands as a drawing in the image's pixels."""
    unit = row["width"] / 320
    shapes = [shape for side in Side for shape in _svg_hand(row[side], HAND_COLOURS[side], unit)]
    return f'<svg class="layer joints" viewBox="0 0 {row["width"]} {row["height"]}">{"".join(shapes)}</svg>'


def _svg_hand(hand: Mapping[str, Any], ring: tuple[int, int, int], unit: float) -> list[str]:
    points, visible = joints_2d(hand), [state == JointState.VISIBLE for state in hand["joint_state"]]
    place = [f"{x:.1f} {y:.1f}" for x, y in points]
    bones = [
        f'<path d="M{place[a]}L{place[b]}" stroke="{_css(joint_colour(b))}" stroke-width="{1.5 * unit:.1f}" '
        f'opacity="{1 if visible[b] else 0.55}"/>'
        for a, b in BONES_21
    ]
    dots = []
    for joint, (x, y) in enumerate(points):
        colour, radius, width = (ring, 4.2, 1.4) if joint == 0 else (joint_colour(joint), 2.5, 0.8)
        fill, edge = (_css(colour), "#101218") if visible[joint] else ("#101218aa", _css(colour))
        circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * unit:.1f}"'
        dots.append(f'{circle} fill="{fill}" stroke="{edge}" stroke-width="{width * unit:.1f}"/>')
    return bones + dots


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def html_legend() -> str:
    """Coloured dots with the names of hands and fingers, and what full and hollow dots mean."""
    dots = [f'<span><i style="background:{_css(colour)}"></i>{name}</span>' for name, colour in legend().items()]
    return "".join([*dots, '<span><i class="full"></i>visible</span><span><i class="hollow"></i>hidden</span>'])


def page(title: str, subtitle: str, rows: Rows, before: str = "", after: str = "") -> str:
    """A whole self-contained page: a heading, `before`, the samples with their switches, `after`."""
    template = Template(_own("report.html"))
    texts = {"title": html.escape(title), "subtitle": html.escape(subtitle), "before": before, "after": after}
    return template.substitute(texts, charts=_own(STYLE), legend=html_legend(), cards=html_cards(rows) or NO_SAMPLES)


def _own(name: str) -> str:
    return resources.files("dataset.inspection").joinpath(name).read_text(encoding="utf-8")


def write_html(rows: Rows, path: Path, title: str) -> None:
    """The contact sheet as one page that needs nothing else."""
    atomic_write(path, page(title, f"{len(rows)} {'sample' if len(rows) == 1 else 'samples'} with labels", rows))

"""What a training's last look has left, on one picture: input, prediction and truth of each image."""

import json
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from dataset.atomic import atomic_write
from tasks.transhand.pictures import as_jpeg

_TILE, _GAP, _CAPTION, _ACROSS = 192, 6, 18, 2
_PAPER, _INK = "#ffffff", "#33353a"
_KINDS = ("input", "prediction", "ground_truth")


def write_sheet(out: Path, file: Path) -> bool:
    """Put the pictures of the newest folder in `out`/pictures together; False, and no file, where there are none."""
    folder = max((path.parent for path in (out / "pictures").glob("*/about.json")), default=None, key=lambda p: p.name)
    if folder is None:
        return False
    told = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    images = [list(group) for _, group in groupby(told, key=lambda about: about["file"].partition(".")[0])]
    across, down = min(_ACROSS, len(images)), -(-len(images) // _ACROSS)
    wide, high = len(_KINDS) * _TILE + 2 * _GAP, _TILE + _CAPTION + _GAP
    sheet = Image.new("RGB", (across * wide, down * high), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, image in enumerate(images):
        row, column = divmod(number, _ACROSS)
        for about in image:
            x, y = column * wide + _KINDS.index(about["file"].split(".")[1]) * _TILE, row * high
            with Image.open(folder / about["file"]) as picture:
                sheet.paste(picture.resize((_TILE, _TILE)), (x, y))
            pen.text((x + 2, y + _TILE + 1), _caption(about), fill=_INK, font=font)
    atomic_write(file, as_jpeg(sheet))
    return True


def _caption(about: dict[str, str]) -> str:
    return about["caption"] if about["caption"] and about["title"] == "prediction" else about["title"]

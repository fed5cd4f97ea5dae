"""Anybody's pictures as the network takes them: RGB, 8 bits, upright; one sentence for every file that is none."""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dataset.errors import InputError
from tasks.progress import say
from tasks.transhand.prediction.cutting import Box
from tasks.transhand.prediction.pictures import Picture

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
PART = 128
"""Pictures whose predictions are kept together."""
_FORMATS = ("JPEG", "PNG", "WEBP")
_DAMAGE = (OSError, SyntaxError, ValueError, struct.error, EOFError, LookupError, TypeError)
"""What Pillow raises at files that begin like pictures."""


class Photos:
    """One picture, or those of a folder and of the folders in it."""

    def __init__(self, place: Path, files: dict[str, Path], boxes: dict[str, Box]) -> None:
        """Nothing is read.

        Args:
            place: what the user named.
            files: by name, in the order in which they are looked at.
            boxes: around both hands, pixels of the picture as it is shown; pictures that have none are taken whole.
        """
        self._alone, self._files, self._boxes = place.is_file(), files, boxes
        self._names = list(files)
        self.parts = [len(self._names[first : first + PART]) for first in range(0, len(files), PART)]
        self.content = _content(files, boxes)

    def read(self, part: int) -> Iterator[Picture]:
        """See `Pictures`. A single picture must not be missing."""
        for name in self._names[part * PART : (part + 1) * PART]:
            try:
                yield self._picture(name)
            except InputError as error:
                if self._alone:
                    raise
                say(f"left out: {error}", level="warning")

    def _picture(self, name: str) -> Picture:
        image, box = read_photo(self._files[name]), self._boxes.get(name)
        inside = box and cut_by_borders(box, image.size)
        if box and not inside:
            raise InputError(
                f"{self._files[name]}: its box {_told(box)} lies outside the picture of {image.width}×{image.height}; give "
                "x, y, width, height in pixels of the picture as it is shown"
            )
        return Picture(name, image, inside, box is not None)


def photos_in(place: Path) -> dict[str, Path]:
    """Pictures by their names: paths in the folder, sorted; what begins with a dot is passed over. Or the one picture.

    Raises:
        InputError: there is none.
    """
    if place.is_file():
        return {_text(Path(place.name)): place}
    if not place.is_dir():
        raise InputError(f"{place}: there is no such file or folder; give a picture, a folder of pictures or a dataset")
    named = {path.relative_to(place): path for path in place.rglob("*") if path.is_file()}
    shown = {_text(name): path for name, path in named.items() if not any(p.startswith(".") for p in name.parts)}
    found = {name: shown[name] for name in sorted(shown) if shown[name].suffix.lower() in ENDINGS}
    if not found:
        raise InputError(f"{place}: is no dataset and holds no picture ({', '.join(ENDINGS)}); give one that does")
    if others := len(shown) - len(found):
        say(f"{place}: {others} files are no pictures ({', '.join(ENDINGS)}) and are passed over")
    return found


def read_photo(path: Path) -> Image.Image:
    """A JPEG, PNG or WebP (the first picture of several) as RGB of 8 bits, turned as its EXIF says.

    Grey becomes RGB, palettes their colours, CMYK RGB without a colour profile, 16 bits are scaled to 8, and what is
    transparent lies over black, which is also what the network sees beyond a picture's borders.

    Raises:
        InputError: it is no such picture, empty, damaged or too large.
    """
    try:
        if not path.stat().st_size:
            raise EOFError("the file is empty")
        with Image.open(path, formats=_FORMATS) as opened:
            opened.load()
            return _rgb(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: is no picture that can be read here; give JPEG, PNG or WebP") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: has more pixels than any camera's picture; give a smaller one") from error
    except _DAMAGE as error:
        raise InputError(f"{path}: is damaged or cannot be read ({error}); get it anew") from error


def cut_by_borders(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a box inside a picture of (width, height), as labels have it; None where there is none."""
    x, y, width, height = box
    left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + width, size[0]), min(y + height, size[1])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _text(name: Path) -> str:
    """Also of names that are no UTF-8."""
    return os.fsencode(name.as_posix()).decode(errors="backslashreplace")


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        values = (np.asarray(picture).astype(np.int64).clip(0, 65535) + 128) // 257  # to the nearest of 256
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def _content(files: dict[str, Path], boxes: dict[str, Box]) -> str:
    """From names, sizes and times: pictures are not read for it."""
    whole = hashlib.sha256()
    for name, path in files.items():
        about = path.stat()
        whole.update(f"{name}\n{about.st_size} {about.st_mtime_ns} {boxes.get(name)}\n".encode())
    return whole.hexdigest()


def _told(box: Box) -> str:
    return ",".join(f"{value:g}" for value in box)

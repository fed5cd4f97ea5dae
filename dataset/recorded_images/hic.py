"""Images of HIC ("Hands in Action", Tzionas et al.), often called the Tzionas dataset, with its published MANO fits.

    {sequence}/1/rgb/{frame:03d}.png                         640 × 480, beside the fits or in `data`
    IJCV16___Results_MANO___parms_for___joints21/…           see `dataset.readers.hic`, which reads them
    HIC.json                                                 InterWild's, where present: images[]{id, file_name, width,
                                                             height}, annotations[]{image_id, right_mano_path, left_mano_path}

Focal length 525, principal point (319.5, 239.5), hands in the camera's frame: `data/HIC/HIC.py` of facebookresearch/InterWild
and `utils/dataset_gen/tzionas_generation.py` of adwardlee/RenderIH, which also says where pictures lie and which sequences
are its "Tzionas dataset": 01 to 07, frames with a file `{sequence}/1/joints_2D_GT/{frame:03d}.txt`. The principal point is
the picture's middle where pixel centres are whole numbers, so here, where they lie at halves, it is (320, 240).
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dataset.errors import InputError
from dataset.readers import hic
from dataset.readers.checks import entry, integer, mapping
from dataset.readers.frame import Fault, Frame, Refusal, attempt
from dataset.readers.json_stream import items
from dataset.recorded_images.recorded_image import LeftOut, RecordedImage, picture_place, pinhole
from hands.camera import Camera
from hands.joints import Side
from hands.model import HandModel

SUBSETS = ("all", "renderih")
WIDTH, HEIGHT = 640, 480
FOCAL = 525.0
MIDDLE = (320.0, 240.0)
_NAME = re.compile(r"hic-(.+)-(\d+)")
_RENDERIH = tuple(f"{number:02d}" for number in range(1, 8))


class _Picture(NamedTuple):
    """Where a picture is, and its size in pixels."""

    place: str
    width: int = WIDTH
    height: int = HEIGHT


def files(folder: Path, subset: str) -> dict[str, Path]:
    """Every parameter file, and `HIC.json` where there is one.

    Raises:
        InputError: there are no fits, or there is no such subset.
    """
    if subset not in SUBSETS:
        raise InputError(f"the subset is '{subset}'; HIC has {', '.join(SUBSETS)}")
    return hic.files(folder, subset)


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[RecordedImage | Fault | LeftOut]:
    """Every frame that shows two hands."""
    files(folder, subset)
    told: dict[hic.Key, _Picture] = {}
    yield from _told(folder, told)
    for item in hic.read(folder, subset, hands):
        yield item if isinstance(item, Fault) else _image(folder, subset, item, told)


def _image(folder: Path, subset: str, frame: Frame, told: dict) -> RecordedImage | Fault | LeftOut:
    sequence, number = _NAME.fullmatch(frame.name).groups()
    if len(frame.hands) < 2 or frame.interacting is False:
        return LeftOut("not interacting")
    if subset == "renderih" and not _in_renderih(folder, sequence, int(number)):
        return LeftOut("not in RenderIH's test")
    picture = told.get((sequence, int(number))) or _Picture(f"{sequence}/1/rgb/{int(number):03d}.png")
    place = next((p for p in (picture.place, f"data/{picture.place}") if (folder / p).is_file()), None)
    if place is None:
        return Fault(frame.name, picture.place, "", "missing file")
    camera = Camera(pinhole(FOCAL, FOCAL, *MIDDLE), np.eye(3), np.zeros(3), picture.width, picture.height)
    return RecordedImage(frame.name, place, camera, frame.name, frame.hands, "test")


def _in_renderih(folder: Path, sequence: str, number: int) -> bool:
    joints = f"{sequence}/1/joints_2D_GT/{number:03d}.txt"
    return sequence in _RENDERIH and any((place / joints).is_file() for place in (folder, folder / "data"))


def _told(folder: Path, told: dict[hic.Key, _Picture]) -> Iterator[Fault]:
    """Fills `told` with what `HIC.json` says of the picture of each fit. What is wrong elsewhere in it is the reader's."""
    index = hic.index_file(folder)
    if index is None:
        return
    pictures: dict[int, _Picture] = {}
    with suppress(Refusal):  # a file that is cut off: the reader of poses tells it
        for image in items(index, "images.item"):
            found = attempt(index.name, index.name, lambda i=image: _picture(i))
            if isinstance(found, Fault):
                yield found
            else:
                pictures[found[0]] = found[1]
        for annotation in items(index, "annotations.item"):
            _assign(annotation, pictures, told)


def _picture(image: object) -> tuple[int, _Picture]:
    values = mapping(image, "images")
    place = picture_place(entry(values, "file_name", "images"), "images.file_name")
    size = (integer(values, key, "images") for key in ("width", "height"))
    return integer(values, "id", "images"), _Picture(place, *size)


def _assign(annotation: object, pictures: dict[int, _Picture], told: dict[hic.Key, _Picture]) -> None:
    values = annotation if isinstance(annotation, dict) else {}
    fits = [values.get(f"{side}_mano_path") for side in Side]
    for key in (hic.fit_key(Path(fit)) for fit in fits if isinstance(fit, str)):
        if key and values.get("image_id") in pictures:
            told[key] = pictures[values["image_id"]]

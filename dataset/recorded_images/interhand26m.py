"""Images of InterHand2.6M that show two hands with a fit each, as RenderIH's authors chose them.

    images/{train,val,test}/{file_name}                      5 fps and 30 fps alike
    annotations/…/InterHand2.6M_{subset}_{data,camera,joint_3d,MANO_NeuralAnnot}.json

`data`: images[]{id, file_name, width, height, capture, camera, frame_idx, …}, annotations[]{image_id, hand_type,
hand_type_valid, …}; `camera`: [capture]{campos, camrot, focal, princpt}[camera], millimetres and pixels,
`x_cam = camrot (x_world − campos)`. Format: https://mks0601.github.io/InterHand2.6M and `DATASET.md` and
`data/InterHand2.6M/dataset.py` of facebookresearch/InterHand2.6M; which images: `utils/dataset_gen/interhand.py` of
adwardlee/RenderIH (interacting and sure of it, both fits, mean of the picture not below 10). Poses are read by
`dataset.readers.interhand26m`. Nothing public says whether pixel centres are whole numbers: `princpt` is taken as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dataset.errors import InputError
from dataset.readers import interhand26m
from dataset.readers.cameras import view_from_centre
from dataset.readers.checks import entry, integer, mapping, numbers
from dataset.readers.frame import Fault, Frame, PlacedHand, Refusal, attempt
from dataset.readers.json_stream import entries, items
from dataset.recorded_images.brightness import is_dark
from dataset.recorded_images.recorded_image import LeftOut, RecordedImage, camera_distance, picture_place, pinhole
from hands.camera import Camera
from hands.joints import Side
from hands.model import HandModel

SUBSETS = interhand26m.SUBSETS
DARKEST = 10.0
"""Mean of a picture's values below which it counts as black (issues 125 and 134 of the data set's repository)."""

Hands = dict[Side, PlacedHand]
Found = RecordedImage | Fault | LeftOut


class _Listed(NamedTuple):
    """What `data` says of an image."""

    moment: str
    camera: tuple[str, str, int, int]
    """Capture, name, width, height."""
    file_name: str


def files(folder: Path, subset: str) -> dict[str, Path]:
    """The annotation files, by ending.

    Raises:
        InputError: one that is needed is missing, or there is no such subset.
    """
    found = interhand26m.annotation_files(folder, subset)
    for part in ("data", "camera"):
        if part not in found:
            raise InputError(
                f"{folder}: holds no InterHand2.6M_{subset}_{part}.json; docs/recorded-images.md says which files are needed"
            )
    return found


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[Found]:
    """Every image of the subset, in the order of the annotations."""
    paths, moments, listed = files(folder, subset), {}, {}
    yield from _moments(folder, subset, hands, moments)
    yield from _listed(paths["data"], subset, moments, listed)
    cameras = _Cameras(paths["camera"])
    yield from cameras.read()
    yield from _annotated(paths["data"], listed, lambda image: _image(folder, subset, image, moments, cameras))


def _moments(folder: Path, subset: str, hands: dict[Side, HandModel], moments: dict[str, Hands]) -> Iterator[Fault]:
    """Fills `moments` with the frames that have both fits."""
    for item in interhand26m.read(folder, subset, hands):
        if isinstance(item, Fault):
            yield item
        elif isinstance(item, Frame) and len(item.hands) == 2:
            moments[item.name] = item.hands


def _listed(path: Path, subset: str, moments: Mapping[str, Hands], listed: dict[int, _Listed]) -> Iterator[Found]:
    """Fills `listed` with the images of such frames, by their id."""
    names = {name: name for name in moments}
    without = 0
    try:
        for number, image in enumerate(items(path, "images.item")):
            found = attempt(f"images[{number}]", path.name, lambda i=image: _entry(i, subset, names))
            if isinstance(found, Fault):
                yield found
            elif found[1].moment:
                listed[found[0]] = found[1]
            else:
                without += 1
    except Refusal as refusal:
        yield refusal.fault(path.name, path.name)
    if without:
        yield LeftOut("without fits of both hands", without)


def _entry(image: object, subset: str, names: Mapping[str, str]) -> tuple[int, _Listed]:
    values = mapping(image, "images")
    text = lambda key: str(entry(values, key, "images"))  # noqa: E731
    size = (integer(values, key, "images") for key in ("width", "height"))
    moment = names.get(f"interhand26m-{subset}-{text('capture')}-{text('frame_idx')}", "")
    file_name = picture_place(entry(values, "file_name", "images"), "images.file_name")
    return integer(values, "id", "images"), _Listed(moment, (text("capture"), text("camera"), *size), file_name)


def _annotated(path: Path, listed: dict[int, _Listed], make: Callable[[_Listed], Found]) -> Iterator[Found]:
    """The images whose annotation says that two hands interact."""
    try:
        for annotation in items(path, "annotations.item"):
            image = attempt(
                path.name, path.name, lambda a=annotation: listed.pop(integer(a, "image_id", "annotations"), None)
            )
            if isinstance(image, Fault):
                yield image
            elif image is not None:
                told = attempt(image.file_name, path.name, lambda a=annotation: _unwanted(a))
                yield told or make(image)
    except Refusal as refusal:
        yield refusal.fault(path.name, path.name)
    if listed:
        yield LeftOut("without an annotation", len(listed))


def _unwanted(annotation: dict) -> LeftOut | None:
    if entry(annotation, "hand_type", "annotations") != "interacting":
        return LeftOut("not interacting")
    if not entry(annotation, "hand_type_valid", "annotations"):
        return LeftOut("hand type not sure")
    return None


def _image(folder: Path, subset: str, image: _Listed, moments: Mapping[str, Hands], cameras: "_Cameras") -> Found:
    name, place = f"interhand26m-{subset}-{image.file_name}", f"images/{subset}/{image.file_name}"
    camera = attempt(name, cameras.file, lambda: cameras.of(*image.camera))
    if isinstance(camera, Fault):
        return camera
    dark = attempt(name, place, lambda: is_dark(folder / place, DARKEST))
    if isinstance(dark, Fault):
        return dark
    if dark:
        return LeftOut(f"dark: mean below {DARKEST:g}")
    split = interhand26m.SPLITS[subset]
    return RecordedImage(name, place, camera, image.moment, moments[image.moment], split)


class _Cameras:
    """All cameras of the subset, made when first asked for."""

    def __init__(self, path: Path) -> None:
        self.file, self._path = path.name, path
        self._captures: dict[str, object] = {}
        self._made: dict[tuple, Camera] = {}

    def read(self) -> Iterator[Fault]:
        """Take the file in."""
        try:
            for keys, value in entries(self._path, 1):
                self._captures[keys[0]] = value
        except Refusal as refusal:
            yield refusal.fault(self.file, self.file)

    def of(self, capture: str, name: str, width: int, height: int) -> Camera:
        """One camera, metres and pixels."""
        key = (capture, name, width, height)
        if key not in self._made:
            self._made[key] = self._camera(*key)
        return self._made[key]

    def _camera(self, capture: str, name: str, width: int, height: int) -> Camera:
        values = mapping(entry(self._captures, capture, ""), capture)
        where = lambda part: f"{capture}.{part}.{name}"  # noqa: E731
        of = lambda part: entry(mapping(entry(values, part, capture), f"{capture}.{part}"), name, f"{capture}.{part}")  # noqa: E731
        view = view_from_centre(of("campos"), of("camrot"), where("campos"), where("camrot"))
        camera_distance(view.t, where("campos"))
        focal, princpt = (numbers(of(part), where(part), 2) for part in ("focal", "princpt"))
        return Camera(pinhole(*focal, *princpt), np.asarray(view.R), view.t, width, height)

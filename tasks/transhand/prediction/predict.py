"""Both hands in pictures or in a dataset's images: what `render-ih predict` does."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from dataset.assets.hand_files import load_hands
from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.manifest import FILE as MANIFEST
from dataset.shards import file_sha256
from dataset.splits import SPLITS
from hands.joints import Side
from hands.kernels import device_fault
from models.weight_files import FILE
from tasks.progress import bar, say
from tasks.transhand.pictures import as_jpeg
from tasks.transhand.prediction.boxes import read_boxes
from tasks.transhand.prediction.cutting import Box, Crops, Square, cut, square_of
from tasks.transhand.prediction.dataset_pictures import DatasetPictures
from tasks.transhand.prediction.drawing import MOST, Tile, overlay, reduced, write_sheet
from tasks.transhand.prediction.folder import Folder
from tasks.transhand.prediction.meshes import write_meshes
from tasks.transhand.prediction.photos import Photos, photos_in
from tasks.transhand.prediction.pictures import Picture, Pictures
from tasks.transhand.prediction.predictor import Predictor, SeenHands
from tasks.transhand.prediction.table import Looked, schema_of, table_of, write_table

_ABOUT = ("sample_id", "width", "square", "is_boxed", "fill", "is_plausible")
_NAMED = 3


@dataclass(frozen=True)
class PredictOrder:
    """What `render-ih predict` is asked for."""

    checkpoint: Path
    pictures: Path
    """A picture, a folder of pictures, or a dataset."""
    out: Path
    box: Box | None = None
    """Around both hands of the one picture."""
    boxes: Path | None = None
    """CSV with a box for each picture."""
    split: str = "test"
    """Of a dataset."""
    most: int = 0
    """At most so many images of a dataset, see `dataset.training.portion`; 0: all."""
    mano: Path | None = None
    """The checkpoint must belong to these hands; None: whichever it belongs to."""
    batch: int = 32
    """Pictures at once; decides nothing."""
    overlays: int = 500
    """The first so many are drawn."""
    meshes: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise InputError(f"split: there is no '{self.split}'; give one of {', '.join(SPLITS)}")
        if self.batch < 1 or self.most < 0 or self.overlays < 0:
            raise InputError("batch must be 1 or more, most and overlays 0 or more")
        if fault := device_fault(self.device):
            raise InputError(f"device: {fault}")


@dataclass(frozen=True)
class Predicted:
    """What was made."""

    table: Path
    sheet: Path | None
    pictures: int
    """In the table."""
    left_out: int
    """Could not be used."""


class _View(NamedTuple):
    looked: Looked
    crop: Crops
    picture: Image.Image | None
    """To draw over."""


def predict(order: PredictOrder) -> Predicted:
    """Look at every picture; parts that an earlier call has finished are not looked at again.

    Raises:
        InputError: checkpoint or pictures cannot be used, or the folder holds something else.
    """
    hands = load_hands(order.mano) if order.mano else None
    predictor = Predictor.load(order.checkpoint, hands, order.device)
    pictures, folder = _opened(order), Folder(order.out)
    weights = order.checkpoint / FILE if order.checkpoint.is_dir() else order.checkpoint
    record = {"checkpoint": file_sha256(weights), "pictures": pictures.content, "overlays": order.overlays}
    with folder.held(record):
        if not folder.table.exists():
            _look_at_all(order, predictor, pictures, folder)
            _join(order, predictor, len(pictures.parts), folder)
        shutil.rmtree(folder.parts, ignore_errors=True)
        about = _about(folder)
        if order.meshes:
            write_meshes(folder.meshes, folder.table, {side: predictor.faces(side) for side in Side})
        sheet = _drawn_sheet(about[: min(order.overlays, MOST)], folder)
    _tell(about, isinstance(pictures, DatasetPictures))
    return Predicted(folder.table, sheet, len(about), sum(pictures.parts) - len(about))


def _opened(order: PredictOrder) -> Pictures:
    if (order.pictures / MANIFEST).is_file():
        if order.box or order.boxes:
            raise InputError(
                f"{order.pictures}: is a dataset, whose boxes are its labels'; leave --box and --boxes out"
            )
        return DatasetPictures(order.pictures, order.split, order.most)
    _refuse_nested(order)
    files = photos_in(order.pictures)
    boxes = read_boxes(order.boxes, files) if order.boxes else {}
    if order.box:
        if order.boxes or order.pictures.is_dir():
            raise InputError("--box is of one picture alone; give the boxes of several as a file, --boxes")
        boxes = dict.fromkeys(files, order.box)
    if not boxes:
        say(
            "no box around both hands is given: the largest square amid each picture is looked at, and there is no detector"
        )
    return Photos(order.pictures, files, boxes)


def _refuse_nested(order: PredictOrder) -> None:
    """Else what is drawn now would be looked at next time."""
    place, out = order.pictures.resolve(), order.out.resolve()
    if place.is_dir() and (out == place or place in out.parents):
        raise InputError(f"{order.out}: lies in the folder of the pictures; give another one for the predictions")


def _look_at_all(order: PredictOrder, predictor: Predictor, pictures: Pictures, folder: Folder) -> None:
    first = 0
    with bar("finding hands", sum(pictures.parts), "pictures") as advance:
        for number, count in enumerate(pictures.parts):
            if not folder.part(number).exists():
                views = _views(pictures.read(number), predictor, order.overlays - first)
                tables = (_answered(predictor, group, folder) for group in _grouped(views, order.batch))
                write_table(folder.part(number), tables, schema_of(predictor.network.meshes.vertices))
            advance(count)
            first += count


def _views(pictures: Iterator[Picture], predictor: Predictor, drawn: int) -> Iterator[_View]:
    """What of each picture is seen, with the picture itself for the first `drawn` ones: large ones do not pile up."""
    ranges = predictor.ranges
    for number, picture in enumerate(pictures):
        square = square_of(picture.box, picture.image.size, ranges.fill)
        looked = Looked(picture.name, picture.image.size, square, picture.is_boxed)
        crop = cut(picture.image, square, ranges.size)
        yield _View(looked, crop, reduced(picture.image) if number < drawn else None)


def _grouped(views: Iterable[_View], size: int) -> Iterator[list[_View]]:
    views = iter(views)
    while group := list(islice(views, size)):
        yield group


def _answered(predictor: Predictor, views: list[_View], folder: Folder) -> pa.Table:
    seen = predictor.look(Crops.joined([view.crop for view in views]))
    table = table_of([view.looked for view in views], seen)
    for row, view in enumerate(views):
        if view.picture is not None:
            atomic_write(folder.overlay(view.looked.name), as_jpeg(_drawn(predictor, view, seen, row)))
    return table


def _drawn(predictor: Predictor, view: _View, seen: SeenHands, row: int) -> Image.Image:
    smaller = view.picture.width / view.looked.size[0]
    places = {side: seen.side(side).in_picture(seen.side(side).vertices)[row] * smaller for side in Side}
    return overlay(
        view.picture,
        {side: seen.side(side).vertices[row].cpu().numpy() for side in Side},
        {side: of_side.cpu().numpy() for side, of_side in places.items()},
        {side: predictor.faces(side) for side in Side},
    )


def _join(order: PredictOrder, predictor: Predictor, parts: int, folder: Folder) -> None:
    tables = (pq.read_table(folder.part(number)) for number in range(parts))
    rows = write_table(folder.table, tables, schema_of(predictor.network.meshes.vertices))
    if not rows:
        folder.table.unlink()
        shutil.rmtree(folder.parts)
        raise InputError(f"{order.pictures}: none of its pictures can be used; what is wrong with each is said above")


def _about(folder: Folder) -> pa.Table:
    try:
        return pq.read_table(folder.table, columns=list(_ABOUT))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{folder.table}: is damaged ({error}); remove it, and it is made again") from error


def _tell(about: pa.Table, is_dataset: bool) -> None:
    """What somebody who looks at the numbers should know."""
    if doubtful := about.filter(pc.invert(about["is_plausible"]))["sample_id"].to_pylist():
        say(
            f"{len(doubtful)} of {len(about)} pictures ({', '.join(doubtful[:_NAMED])}) may show no two hands, or need a box "
            "around them: predicted hands fill the square otherwise than in training; look at their overlays",
            level="warning",
        )
    if is_dataset and (empty := len(about) - pc.sum(about["is_boxed"]).as_py()):
        say(f"{empty} of {len(about)} images show no hand, as their labels say: they were looked at whole")


def _drawn_sheet(about: pa.Table, folder: Folder) -> Path | None:
    """Of rows whose overlays are there; None where none is."""
    tiles = [
        Tile(f"{row['sample_id']}  {row['fill']:.2f}", overlay_, Square(*row["square"]), row["width"])
        for row in about.to_pylist()
        if (overlay_ := folder.overlay(row["sample_id"])).is_file()
    ]
    if tiles:
        write_sheet(folder.sheet, tiles)
    return folder.sheet if tiles else None

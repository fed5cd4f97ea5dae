"""A whole data set's images read into a `Recording`. Nothing disappears unseen: what cannot be used is a fault."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dataset.assets.hand_files import hand_checksums
from dataset.errors import InputError
from dataset.readers.frame import Fault, PlacedHand
from dataset.recorded_images.boxes import boxes_of
from dataset.recorded_images.kinds import kind_of
from dataset.recorded_images.recorded_image import LeftOut, RecordedImage
from dataset.recorded_images.recording import FORMAT, PARAMETERS, Recording, Told, load, save
from dataset.recorded_images.surfaces import joints_of
from hands.camera import Camera
from hands.joints import Side
from hands.model import HandModel

MOST_FAULTS = 1000
"""How many faults are kept by name; all are counted."""


def read_recording(
    kind: str, folder: Path, hands: dict[Side, HandModel], subset: str = "", saved: Path | None = None
) -> Recording:
    """All usable images of a data set with two hands each, in its order.

    Args:
        kind: one of `kinds.KINDS`.
        folder: where the data set is.
        hands: the layers that its parameters are meant for.
        subset: one that the kind knows; empty for its first.
        saved: a file in which the result is kept, and from which it is taken as long as kind, subset, hands, and the
            annotation files' names, sizes and times are the same. Pictures are not looked at again.

    Raises:
        InputError: there are no files of that kind, or none of the images can be used.
    """
    module, folder = kind_of(kind), Path(folder)
    subset = subset or module.SUBSETS[0]
    origin = _origin(kind, subset, module.files(folder, subset), hands) if saved else ""
    recording = load(saved, folder, origin) if saved else None
    if recording is None:
        recording = gathered(kind, folder, module.read(folder, subset, hands), hands)
        if saved:
            save(recording, saved, origin)
    return recording


def _origin(kind: str, subset: str, files: dict[str, Path], hands: dict[Side, HandModel]) -> str:
    whole = hashlib.sha256(f"{FORMAT} {kind} {subset} {hand_checksums(hands)}".encode())
    for name in sorted(files):
        about = files[name].stat()
        whole.update(f"\n{name} {about.st_size} {about.st_mtime_ns}".encode())
    return whole.hexdigest()


def gathered(
    kind: str, folder: Path, found: Iterable[RecordedImage | Fault | LeftOut], hands: dict[Side, HandModel]
) -> Recording:
    """The recording of what a reader finds.

    Raises:
        InputError: that is no image.
    """
    gathering = _Gathering()
    for item in found:
        gathering.add(item)
    recording = gathering.recording(folder, hands)
    if not len(recording):
        raise InputError(
            f"{folder}: no image of {kind} can be used ({recording.told.sentence()}); see docs/recorded-images.md"
        )
    return recording


@dataclass
class _Gathering:
    names: dict[str, None] = field(default_factory=dict)
    pictures: list[bytes] = field(default_factory=list)
    splits: list[bytes] = field(default_factory=list)
    rows: list[tuple[int, int]] = field(default_factory=list)
    """Moment and camera of each image."""
    moments: dict[str, int] = field(default_factory=dict)
    parameters: list[Float[np.ndarray, "2 61"]] = field(default_factory=list)
    joints: list[Float[np.ndarray, "2 21 3"]] = field(default_factory=list)
    cameras: dict[bytes, int] = field(default_factory=dict)
    views: list[Camera] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, item: RecordedImage | Fault | LeftOut) -> None:
        """Keep an image, or count what became of it."""
        if isinstance(item, RecordedImage) and item.name in self.names:
            item = Fault(item.name, item.picture, item.name, "duplicate frame")
        if isinstance(item, LeftOut):
            self.left_out[item.reason] += item.images
        elif isinstance(item, Fault):
            self.counts[item.reason] += 1
            self.faults += [item] if len(self.faults) < MOST_FAULTS else []
        else:
            self._keep(item)

    def _keep(self, image: RecordedImage) -> None:
        self.names[image.name] = None
        self.pictures.append(image.picture.encode())
        self.splits.append(image.split.encode())
        self.rows.append((self._moment(image), self._camera(image.camera)))

    def _moment(self, image: RecordedImage) -> int:
        if image.moment not in self.moments:
            self.moments[image.moment] = len(self.moments)
            both = [_numbers(image.hands[side]) for side in Side]
            self.parameters.append(np.stack([parameters for parameters, _ in both]))
            self.joints.append(np.stack([joints for _, joints in both]))
        return self.moments[image.moment]

    def _camera(self, camera: Camera) -> int:
        values = (*camera.K.ravel(), *camera.R.ravel(), *camera.t, camera.width, camera.height)
        key = np.array(values, dtype=np.float64).tobytes()
        if key not in self.cameras:
            self.cameras[key] = len(self.cameras)
            self.views.append(camera)
        return self.cameras[key]

    def recording(self, folder: Path, hands: dict[Side, HandModel]) -> Recording:
        """All of it as arrays, without the images that show no hand."""
        rows = np.array(self.rows, dtype=np.int32).reshape(-1, 2)
        of_views = lambda name, *shape: np.array([getattr(v, name) for v in self.views], np.float64).reshape(-1, *shape)  # noqa: E731
        parameters = np.array(self.parameters, np.float32).reshape(-1, 2, sum(PARAMETERS))
        all_of_it = Recording(
            names=np.array([name.encode() for name in self.names], dtype=np.bytes_),
            pictures=np.array(self.pictures, dtype=np.bytes_),
            splits=np.array(self.splits, dtype=np.bytes_),
            moment=rows[:, 0],
            camera=rows[:, 1],
            boxes=np.zeros((len(rows), 2, 4), np.float32),
            parameters=parameters,
            joints=joints_of(parameters, np.array(self.joints, np.float32).reshape(-1, 2, 21, 3), hands),
            K=of_views("K", 3, 3),
            R=of_views("R", 3, 3),
            t=of_views("t", 3),
            size=np.array([(view.width, view.height) for view in self.views], np.int32).reshape(-1, 2),
            folder=folder,
            told=Told(tuple(self.faults), self.counts, self.left_out),
        )
        return boxes_of(all_of_it, hands)


def _numbers(hand: PlacedHand | Float[np.ndarray, "21 3"]) -> tuple[Float[np.ndarray, "61"], Float[np.ndarray, "21 3"]]:
    """Parameters and joints of a hand, NaN where the one or the other is not given."""
    if isinstance(hand, PlacedHand):
        return np.concatenate(hand.parameters).astype(np.float32), np.full((21, 3), np.nan, np.float32)
    return np.full(sum(PARAMETERS), np.nan, np.float32), np.asarray(hand, np.float32)

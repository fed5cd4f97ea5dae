"""The images of a data set as arrays: what is the same in many of them, hands and cameras, is there once.

A moment that a hundred cameras saw costs as much as one image, an image 40 bytes and its texts: a million fit anywhere.
"""

import hashlib
import json
import zipfile
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from dataset.atomic import atomic_file
from dataset.errors import InputError
from dataset.readers.frame import Fault

FORMAT = 1
"""Of saved recordings."""
PARAMETERS = (3, 45, 10, 3)
"""How many numbers `global_orient`, `hand_pose`, `betas` and `transl` are, in the order in which they are kept."""


@dataclass(frozen=True)
class Told:
    """What became of the rest."""

    faults: tuple[Fault, ...] = ()
    """The first ones, by name."""
    counts: Counter[str] = field(default_factory=Counter)
    """All of them, by reason."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Sound images that are not wanted, by reason."""

    def sentence(self) -> str:
        """All counts in one line."""
        counts = [f"{count:,} {reason}" for reason, count in self.left_out.items()]
        return (
            ", ".join([*counts, *(f"{count:,} fault(s): {reason}" for reason, count in self.counts.items())])
            or "nothing"
        )


@dataclass(frozen=True, eq=False)
class Recording:
    """n images of m moments by c cameras. Texts are UTF-8 bytes; the two hands come right, left."""

    names: Shaped[np.ndarray, "n"]
    pictures: Shaped[np.ndarray, "n"]
    """Files, relative to `folder`."""
    splits: Shaped[np.ndarray, "n"]
    moment: Int[np.ndarray, "n"]
    camera: Int[np.ndarray, "n"]
    boxes: Float[np.ndarray, "n 2 4"]
    """(x, y, width, height) around each hand's projected surface, pixels of the whole picture, inside it."""
    parameters: Float[np.ndarray, "m 2 61"]
    """`HandPose`'s four vectors one after the other, world of the cameras; NaN where the data set has only joints."""
    joints: Float[np.ndarray, "m 2 21 3"]
    """Metres, the same world."""
    K: Float[np.ndarray, "c 3 3"]
    R: Float[np.ndarray, "c 3 3"]
    t: Float[np.ndarray, "c 3"]
    size: Int[np.ndarray, "c 2"]
    """Width and height of the pictures, pixels."""
    folder: Path
    told: Told

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: Int[np.ndarray, "r"]) -> "Recording":
        """Only these images; moments and cameras stay."""
        of_images = ("names", "pictures", "splits", "moment", "camera", "boxes")
        return replace(self, **{name: getattr(self, name)[rows] for name in of_images})

    def name(self, row: int) -> str:
        """An image's name."""
        return self.names[row].decode()

    def picture(self, row: int) -> Path:
        """An image's file."""
        return self.folder / self.pictures[row].decode()

    def checksum(self) -> str:
        """What tells these images and labels from any others, wherever they lie."""
        whole = hashlib.sha256()
        for name in arrays_of(Recording):
            values = np.ascontiguousarray(getattr(self, name))
            whole.update(f"{name} {values.dtype.kind} {values.shape}".encode())
            whole.update(b"\n".join(values.tolist()) if values.dtype.kind == "S" else values.tobytes())
        return whole.hexdigest()


def arrays_of(kind: type[Recording]) -> list[str]:
    """The names of its arrays."""
    return [column.name for column in fields(kind) if column.name not in ("folder", "told")]


def save(recording: Recording, path: Path, origin: str) -> None:
    """Write a recording that need not be read again; `origin` says of what it is.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    told = {
        "faults": [vars(fault) for fault in recording.told.faults],
        "counts": recording.told.counts,
        "left_out": recording.told.left_out,
    }
    about = {"format": FORMAT, "origin": origin, "told": told}
    arrays = {name: getattr(recording, name) for name in arrays_of(Recording)}
    with atomic_file(path) as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)


def load(path: Path, folder: Path, origin: str) -> Recording | None:
    """A saved recording of that origin; None where there is none, or one of another origin or format.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            if (about["format"], about["origin"]) != (FORMAT, origin):
                return None
            arrays = {name: stored[name] for name in arrays_of(Recording)}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no saved recording ({error}); remove it, and it is made again") from error
    told = about["told"]
    faults = tuple(Fault(**fault) for fault in told["faults"])
    return Recording(**arrays, folder=folder, told=Told(faults, Counter(told["counts"]), Counter(told["left_out"])))

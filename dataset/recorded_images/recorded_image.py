"""What every reader of images gives, beside faults: an image with its labels, or why images that are sound are left out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from dataset.readers.checks import CAMERA_MM
from dataset.readers.frame import PlacedHand, Refusal
from hands.camera import Camera
from hands.joints import Side


@dataclass(frozen=True, eq=False)
class RecordedImage:
    """One picture and both hands in it."""

    name: str
    """Unique in its data set."""
    picture: str
    """File, relative to the data set's folder."""
    camera: Camera
    """Of the whole picture."""
    moment: str
    """Images of one moment show the same hands."""
    hands: Mapping[Side, PlacedHand | Float[np.ndarray, "21 3"]]
    """Both, in the world from which `camera` leads: parameters, or the joints alone (metres, order of `JOINTS_21`)."""
    split: str
    """train, validation or test."""


@dataclass(frozen=True)
class LeftOut:
    """Images that nothing is wrong with and that are not wanted."""

    reason: str
    images: int = 1


def picture_place(name: object, key: str) -> str:
    """A picture's place relative to the data set, as an annotation gives it; none that leads out of the folder."""
    if not isinstance(name, str) or not name:
        raise Refusal(key, "wrong type")
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise Refusal(key, "leads out of the folder")
    return name


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Float[np.ndarray, "3 3"]:
    """Intrinsics in pixels without skew."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def camera_distance(t: Float[np.ndarray, "3"], key: str) -> None:
    """Refuse a camera whose distance from the origin (metres) is one of other units."""
    distance = 1000 * float(np.linalg.norm(t))
    if not CAMERA_MM[0] <= distance <= CAMERA_MM[1]:
        raise Refusal(key, "wrong unit", distance, CAMERA_MM[distance > CAMERA_MM[1]])

"""Images of Ego3DHands (Lin, Wilhelm and Martinez, "Two-hand Global 3D Pose Estimation Using Monocular RGB"): joints alone.

    {instance}/color_new.png             the hands before a background
    {instance}/location_2d.npy           [2, 22, 2]: left, right; elbow, wrist, thumb to pinky from root to tip; row and
                                         column as parts of the picture's height and width
    {instance}/location_3d_global.npy    [2, 22, 3]: row, column, depth from the camera; centimetres, a hand's wrist and
                                         middle knuckle 10 apart; zeros for a hand that is not there

Format: `README.md`, `visualize_3d_pose.py`, `global_calculation.py` and `pose_visualization.py` of AlextheEngineer/Ego3DHands;
that the composed picture is the one to use: `utils/dataset_gen/ego3dhand_dataloader.py` of adwardlee/RenderIH. The published
focal length is 0.924 · 406.78 pixels for 960 × 540; as pictures may have been resized, each file's own joints give it
(principal point in the middle), and a file whose two kinds of joints no such camera relates is a fault.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from dataset.errors import InputError
from dataset.readers.checks import HAND_MM, numbers
from dataset.readers.frame import Fault, Refusal, attempt
from dataset.recorded_images.recorded_image import LeftOut, RecordedImage, pinhole
from hands.camera import Camera
from hands.joints import JOINTS_21, Side

SUBSETS = ("train", "test")
TOLERANCE = 0.005
"""Largest mean distance of a joint's two places in the picture, in widths of it."""
_SIDES = (Side.LEFT, Side.RIGHT)
_KNUCKLE = JOINTS_21.index("middle_1")
_FILES = ("location_2d", "location_3d_global")
_PICTURE = "color_new.png"


def files(folder: Path, subset: str) -> dict[str, Path]:
    """The joints of every instance; the folder is one of one subset, which plays no other part than to name the split.

    Raises:
        InputError: there is no instance, or there is no such subset.
    """
    paths = (instance / f"{name}.npy" for instance in _instances(folder, subset) for name in _FILES)
    return {str(path.relative_to(folder)): path for path in paths if path.is_file()}


def read(folder: Path, subset: str, hands: object) -> Iterator[RecordedImage | Fault | LeftOut]:
    """Every instance in the folder, or in a folder in it, that shows two hands; no hand layer is needed."""
    for instance in _instances(folder, subset):
        place = str(instance.relative_to(folder))
        name = f"ego3dhands-{subset}-{place.replace('/', '-')}"
        found = attempt(name, place, lambda i=instance: _labels(i))
        if isinstance(found, Fault | LeftOut):
            yield found
        else:
            yield RecordedImage(name, f"{place}/{_PICTURE}", found[0], name, found[1], subset)


def _instances(folder: Path, subset: str) -> list[Path]:
    if subset not in SUBSETS:
        raise InputError(f"the subset is '{subset}'; Ego3DHands has {', '.join(SUBSETS)}")
    found = sorted(path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{_FILES[0]}.npy"))
    if not found:
        raise InputError(
            f"{folder}: holds no {{instance}}/{_FILES[0]}.npy; docs/recorded-images.md says what is needed"
        )
    return found


def _labels(instance: Path) -> LeftOut | tuple[Camera, dict[Side, np.ndarray]]:
    shares, points = (
        _stored(instance / f"{name}.npy", name, width) for name, width in zip(_FILES, (2, 3), strict=True)
    )
    if not all(points[row].any() and shares[row].any() for row in range(2)):
        return LeftOut("one hand")
    width, height = _size(instance / _PICTURE)
    pixels, joints = shares[..., ::-1] * (width, height), points[..., [1, 0, 2]] / 100
    _check_hands(joints)
    focal = _focal(joints.reshape(-1, 3), pixels.reshape(-1, 2) - (width / 2, height / 2), width)
    camera = Camera(pinhole(focal, focal, width / 2, height / 2), np.eye(3), np.zeros(3), width, height)
    return camera, dict(zip(_SIDES, joints, strict=True))


def _stored(path: Path, key: str, width: int) -> Float[np.ndarray, "2 21 w"]:
    """Both hands without the elbow."""
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise Refusal(key, "missing file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise Refusal(key, "unreadable file") from error
    return numbers(values, key, 2, 22, width)[:, 1:]


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a picture, from its header."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except FileNotFoundError as error:
        raise Refusal(path.name, "missing file") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise Refusal(path.name, "unreadable file") from error


def _check_hands(joints: Float[np.ndarray, "2 21 3"]) -> None:
    for hand in joints:
        size = 1000 * float(np.linalg.norm(hand[_KNUCKLE] - hand[0]))
        if not HAND_MM[0] <= size <= HAND_MM[1]:
            raise Refusal(_FILES[1], "wrong unit", size, HAND_MM[size > HAND_MM[1]])
    if joints[..., 2].min() <= 0:
        raise Refusal(_FILES[1], "behind the camera", float(joints[..., 2].min()))


def _focal(joints: Float[np.ndarray, "n 3"], offsets: Float[np.ndarray, "n 2"], width: int) -> float:
    """The focal length (pixels) with which the joints come nearest to their places, offsets from the middle (least squares)."""
    rays = joints[:, :2] / joints[:, 2:]
    focal = float((rays * offsets).sum() / (rays**2).sum())
    gap = float(np.linalg.norm(focal * rays - offsets, axis=1).mean())
    if gap > TOLERANCE * width or focal <= 0:
        raise Refusal(_FILES[0], f"is no projection of {_FILES[1]}", gap, TOLERANCE * width)
    return focal

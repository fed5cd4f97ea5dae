"""DexYCB: MANO fits of single hands that grasp, one small file a camera and moment.

`{subject}/{sequence}/{serial}/labels_{frame:06d}.npz`: `pose_m` [1, 51] = wrist rotation 3, 45 coefficients of the pose
directions without the mean, translation 3 (not read); all zeros where no hand is seen. `{subject}/{sequence}/meta.yml`:
`serials`, `mano_sides`, `mano_calib`; `calibration/mano_{mano_calib}/mano.yml`: `betas`. All cameras of a sequence see the
same hand, so one is read.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import Float

from dataset.readers.checks import angles, entry, mapping, numbers, shape
from dataset.readers.conventions import FingerAngles
from dataset.readers.frame import Fault, HandShape, Refusal, SingleHand, attempt
from dataset.readers.places import folders, not_there
from hands.joints import Side
from hands.model import HandModel


def files(folder: Path, subset: str) -> dict[str, Path]:
    """Every `meta.yml`; the subset plays no part.

    Raises:
        InputError: there is no sequence.
    """
    found = [path for subject in folders(folder) for path in sorted(subject.glob("*/meta.yml"))]
    if not found:
        raise not_there(folder, "{subject}/{sequence}/meta.yml")
    return {str(path.relative_to(folder)): path for path in found}


def read(folder: Path, subset: str, hands: dict[Side, HandModel]) -> Iterator[SingleHand | Fault | None]:
    """Every frame of every sequence; None for a frame in which no hand is seen."""
    for file, meta in files(folder, subset).items():
        name = "-".join(("dexycb", *Path(file).parts[:-1]))
        described = attempt(name, file, lambda m=meta: _sequence(folder, m))
        if isinstance(described, Fault):
            yield described
            continue
        serial, side, betas = described
        for label in sorted((meta.parent / serial).glob("labels_*.npz")):
            frame = f"{name}-{label.stem.removeprefix('labels_')}"
            make = lambda p=label, n=frame, s=side, b=betas: _hand(n, p, s, b, hands)  # noqa: E731
            yield attempt(frame, str(label.relative_to(folder)), make)


def _sequence(folder: Path, meta: Path) -> tuple[str, Side, Float[np.ndarray, "10"]]:
    """The camera to read, the side and the person's shape."""
    values = mapping(_yaml(meta, ""), "")
    first = {key: _first(entry(values, key, ""), key) for key in ("serials", "mano_sides", "mano_calib")}
    if first["mano_sides"] not in tuple(Side):
        raise Refusal("mano_sides", "wrong type")
    calibration = folder / "calibration" / f"mano_{first['mano_calib']}" / "mano.yml"
    betas = entry(mapping(_yaml(calibration, "mano_calib"), "mano_calib"), "betas", "mano_calib")
    return first["serials"], Side(first["mano_sides"]), shape(betas, "mano_calib.betas")


def _first(value: object, key: str) -> str:
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise Refusal(key, "wrong type")
    return value[0]


def _hand(
    name: str, path: Path, side: Side, betas: Float[np.ndarray, "10"], hands: dict[Side, HandModel]
) -> SingleHand | None:
    stored = numbers(_pose_m(path), "pose_m", 51)
    if not stored.any():
        return None
    fingers = FingerAngles.PCA.to_full(stored[3:48], hands[side].arrays)
    return SingleHand(name, side, HandShape(angles(fingers, "pose_m", 45), betas))


def _pose_m(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["pose_m"]
    except KeyError as error:
        raise Refusal("pose_m", "missing key") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise Refusal("", "unreadable file") from error


def _yaml(path: Path, key: str) -> object:
    try:
        return yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise Refusal(key, "missing file") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, OSError) as error:
        raise Refusal(key, "unreadable file") from error

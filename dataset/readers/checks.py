"""The rules that numbers from a file must keep; what breaks one raises `Refusal` with its key and reason.

Bounds are wide: they tell units apart (millimetres are a thousand metres' worth, degrees fifty-seven radians'), no more.
"""

import math

import numpy as np
from jaxtyping import Float

from dataset.readers.conventions import FingerAngles
from dataset.readers.frame import PlacedHand, Refusal
from hands.model import HandArrays

MAX_METRES = 10.0
"""A hand farther than this from its frame's origin was given in millimetres."""
MAX_RADIANS = 4 * math.pi
"""A component of an axis-angle vector above this was given in degrees."""
MAX_BETA = 25.0
"""Shape coefficients are standard deviations."""
HAND_MM = (30.0, 200.0)
"""Range of the distance from wrist to middle knuckle, millimetres: 1000 times less means metres."""
CAMERA_MM = (50.0, 100_000.0)
"""Range of the distance of a recording's cameras from the origin, millimetres (their median)."""


def mapping(value: object, key: str) -> dict:
    """A JSON object."""
    if not isinstance(value, dict):
        raise Refusal(key, "wrong type")
    return value


def entry(values: dict, key: str, where: str) -> object:
    """One value of an object, which must have it."""
    if key not in values:
        raise Refusal(f"{where}.{key}".lstrip("."), "missing key")
    return values[key]


def integer(values: object, key: str, where: str) -> int:
    """One whole number of an object."""
    value = entry(mapping(values, where), key, where)
    if not isinstance(value, int):
        raise Refusal(f"{where}.{key}".lstrip("."), "wrong type")
    return value


def numbers(value: object, key: str, *shape: int) -> Float[np.ndarray, "..."]:
    """Finite numbers of that many values, however they are nested."""
    if not isinstance(value, list | tuple | np.ndarray):
        raise Refusal(key, "wrong type")
    array = _array(value, key)
    if array.size != math.prod(shape):
        raise Refusal(key, "wrong length", array.size, math.prod(shape))
    if not np.isfinite(array).all():
        raise Refusal(key, "not a finite number", int((~np.isfinite(array)).sum()))
    return array.reshape(shape)


def _array(value: object, key: str) -> Float[np.ndarray, "..."]:
    """An array in which a missing number (JSON's null) is NaN; text and lists of unequal length are none."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise Refusal(key, "wrong length") from error
    if array.dtype.kind not in "fiuO":
        raise Refusal(key, "wrong type")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise Refusal(key, "wrong type") from error


def bounded(values: Float[np.ndarray, "n"], key: str, limit: float, reason: str) -> Float[np.ndarray, "n"]:
    """The same numbers, none of them larger than the limit."""
    largest = float(np.abs(values).max())
    if largest > limit:
        raise Refusal(key, reason, largest, limit)
    return values


def angles(value: object, key: str, length: int) -> Float[np.ndarray, "n"]:
    """Axis-angle numbers in radians."""
    return bounded(numbers(value, key, length), key, MAX_RADIANS, "wrong unit")


def metres(value: object, key: str) -> Float[np.ndarray, "3"]:
    """A translation in metres."""
    return bounded(numbers(value, key, 3), key, MAX_METRES, "wrong unit")


def shape(value: object, key: str) -> Float[np.ndarray, "10"]:
    """Shape coefficients."""
    return bounded(numbers(value, key, 10), key, MAX_BETA, "implausible value")


def placed_hand(
    value: object, where: str, stored: FingerAngles, arrays: HandArrays, betas: str = "shape"
) -> PlacedHand:
    """A hand from an object with `pose` (3 + 45), `trans` (3, metres) and its shape under the name `betas`."""
    values = mapping(value, where)
    take = lambda key: entry(values, key, where)  # noqa: E731
    pose = angles(take("pose"), f"{where}.pose".lstrip("."), 48)
    return PlacedHand(
        hand_pose=stored.to_full(pose[3:], arrays),
        betas=shape(take(betas), f"{where}.{betas}".lstrip(".")),
        global_orient=pose[:3],
        transl=metres(take("trans"), f"{where}.trans".lstrip(".")),
    )

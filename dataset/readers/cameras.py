"""Cameras of a recording: read to know which way is up, and checked for their unit."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dataset.readers.checks import CAMERA_MM, numbers
from dataset.readers.frame import Refusal


class View(NamedTuple):
    """Where a camera is: `x_cam = R · x_world + t`, metres, OpenCV axes."""

    R: Float[np.ndarray, "3 3"]
    t: Float[np.ndarray, "3"]


def view_from_centre(centre: object, rotation: object, centre_key: str, rotation_key: str) -> View:
    """A camera from its centre in the world (mm): `x_cam = R (x_world − centre)`."""
    R = _rotation(rotation, rotation_key)
    return View(R, -R @ numbers(centre, centre_key, 3) / 1000)


def view_from_translation(translation: object, rotation: object, translation_key: str, rotation_key: str) -> View:
    """A camera from `x_cam = R · x_world + translation` (mm)."""
    return View(_rotation(rotation, rotation_key), numbers(translation, translation_key, 3) / 1000)


def _rotation(value: object, key: str) -> Float[np.ndarray, "3 3"]:
    R = numbers(value, key, 3, 3)
    error = float(max(np.abs(R @ R.T - np.eye(3)).max(), abs(np.linalg.det(R) - 1)))
    if error > 0.01:
        raise Refusal(key, "not a rotation", error, 0.01)
    return R


def vertical(views: Sequence[View], key: str) -> tuple[float, float, float]:
    """The world direction that a recording's cameras see as up (−y) on average, a unit vector.

    Their positions tell the unit: a median distance from the origin outside `CAMERA_MM` is refused.
    """
    if not views:
        raise Refusal(key, "wrong length", 0, 1)
    distance = 1000 * float(np.median([np.linalg.norm(view.t) for view in views]))
    if not CAMERA_MM[0] <= distance <= CAMERA_MM[1]:
        raise Refusal(key, "wrong unit", distance, CAMERA_MM[distance > CAMERA_MM[1]])
    mean = -np.mean([view.R[1] for view in views], axis=0)
    length = float(np.linalg.norm(mean))
    if length < 0.2:
        raise Refusal(key, "no common vertical", length, 0.2)
    return tuple((mean / length).tolist())

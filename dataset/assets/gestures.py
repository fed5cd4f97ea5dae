"""Reader of gesture files: one YAML file a named interaction, centimetres and degrees."""

import math
from importlib import resources
from pathlib import Path

import numpy as np
import yaml

from dataset.errors import InputError
from dataset.splits import SPLITS, split_of
from hands.anatomy import LIMITS_DEGREES
from hands.gestures import Gesture, GestureHand
from hands.joints import FINGERS

_HAND_KEYS = {"centre", "points", "faces", *FINGERS}
_KEYS = {"description", "touching", "right", "left", "tags", "split"}


def load_gestures(folder: Path | None = None, names: tuple[str, ...] = ()) -> list[Gesture]:
    """The named gestures of a folder, or all, in name order; the built-in library when `folder` is None.

    Raises:
        InputError: a name is unknown, a file lacks a field, has an unknown one, or an angle outside Table 2.
    """
    folder = folder or Path(str(resources.files("blender_assets"))) / "gestures"
    files = sorted(Path(folder).glob("*.yaml"))
    if not files:
        raise InputError(
            f"{folder}: no gesture files (*.yaml) here; leave `source.gestures` empty to use the built-in ones"
        )
    for name in set(names) - {file.stem for file in files}:
        raise InputError(
            f"source.names has '{name}', but {folder} has no such gesture; it has {', '.join(f.stem for f in files)}"
        )
    return [load_gesture(file) for file in files if not names or file.stem in names]


def load_gesture(file: Path) -> Gesture:
    """One gesture file; its name is the file's name."""
    try:
        content = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: cannot be read as YAML ({error.__class__.__name__}); repair or remove it") from error
    _check_keys(file, content, _KEYS, {"description", "right", "left"}, "gesture")
    _check_types(file, content)
    right = _hand(file, content["right"], "right")
    left = right.mirrored() if content["left"] == "mirror" else _hand(file, content["left"], "left")
    return Gesture(
        name=file.stem,
        description=content["description"],
        right=right,
        left=left,
        touching=content.get("touching", True),
        tags=tuple(content.get("tags", ())),
        split=content.get("split") or split_of("base_pose", file.stem),
    )


def _check_keys(file: Path, content: object, allowed: set[str], required: set[str], what: str) -> None:
    if not isinstance(content, dict):
        raise InputError(f"{file}: {what} must be a mapping of fields, found {type(content).__name__}")
    for key in content.keys() - allowed:
        raise InputError(f"{file}: unknown field '{key}' in {what}; allowed are {', '.join(sorted(allowed))}")
    for key in sorted(required - content.keys()):
        raise InputError(f"{file}: {what} lacks the field '{key}'")


def _check_types(file: Path, content: dict) -> None:
    wanted = {
        "description": (str, "a sentence"),
        "touching": (bool, "true or false"),
        "tags": (list, "a list of words"),
    }
    for key, (kind, name) in wanted.items():
        if key in content and not isinstance(content[key], kind):
            raise InputError(f"{file}: '{key}' must be {name}, found {content[key]!r}")
    if content.get("split", SPLITS[0]) not in SPLITS:
        raise InputError(f"{file}: 'split' must be {', '.join(SPLITS)}, found {content['split']!r}")


def _hand(file: Path, content: object, side: str) -> GestureHand:
    _check_keys(file, content, _HAND_KEYS, _HAND_KEYS, side)
    vectors = {key: _numbers(file, content[key], 3, f"{side}.{key}") for key in ("centre", "points", "faces")}
    across = np.cross(vectors["points"], vectors["faces"])
    if np.linalg.norm(across) < 1e-3 * np.linalg.norm(vectors["points"]) * np.linalg.norm(vectors["faces"]) + 1e-9:
        raise InputError(f"{file}: {side}.points and {side}.faces must be two different directions, none of them zero")
    fingers = {finger: _numbers(file, content[finger], 4, f"{side}.{finger}") for finger in FINGERS}
    for finger, angles in fingers.items():
        for angle, (low, high) in zip(angles, LIMITS_DEGREES[finger], strict=True):
            if not low <= angle <= high:
                raise InputError(
                    f"{file}: {side}.{finger} has {angle} degrees where {low} to {high} is possible (Table 2)"
                )
    return GestureHand(**vectors, fingers=fingers)


def _numbers(file: Path, value: object, count: int, where: str) -> tuple[float, ...]:
    is_number = lambda x: isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)  # noqa: E731
    if not isinstance(value, list) or len(value) != count or not all(map(is_number, value)):
        raise InputError(f"{file}: {where} must be a list of {count} numbers, found {value!r}")
    return tuple(float(x) for x in value)

"""Pictures that a training leaves: `pictures/STEP/NAME.KIND.jpg`, looked up in a listing, never by a path from outside."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.training.files import Found, Signs, find, inside

FOLDER, ABOUT = "pictures", "about.json"
MOST = 240
"""Pictures of a step that are shown."""
LARGEST = 20_000_000
"""Bytes of a picture that is shown."""
MOST_STEPS = 20_000
_ABOUT_LARGEST = 1 << 20
_STEP = re.compile(r"(?:step-)?(\d{1,15})")
_JPEG, _PNG = ("image/jpeg", b"\xff\xd8\xff"), ("image/png", b"\x89PNG\r\n")
_TYPES = {".jpg": _JPEG, ".jpeg": _JPEG, ".png": _PNG}
"""Media type, and how such a file begins."""
_ORDER = ("input", "prediction", "ground_truth")
"""Kinds in the order in which they stand beside each other; others follow by name."""


@dataclass(frozen=True)
class Picture:
    """One file."""

    file: str
    kind: str
    """What it is of those with the same name; empty when it stands alone."""
    caption: str
    is_too_large: bool


@dataclass(frozen=True)
class Group:
    """Pictures that belong beside each other, such as a prediction and its ground truth."""

    name: str
    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class PicturesOfStep:
    """What is shown of one step."""

    step: int
    groups: tuple[Group, ...]
    left_out: int
    """Pictures beyond the most that are shown."""


def steps_of(folder: Path) -> tuple[tuple[int, ...], Signs]:
    """Steps of a training at which there are pictures, ascending, and signs that change with the newest ones."""
    places = _places(folder)
    steps = tuple(sorted(places))
    newest = places[steps[-1]].stat() if steps else None
    return steps, Signs(newest.st_ino, 0, newest.st_mtime_ns) if newest else Signs()


def pictures_of(folder: Path, step: int) -> PicturesOfStep | None:
    """Of one step; None when there is no such step any more."""
    place = _places(folder).get(step)
    if place is None:
        return None
    names = _names(place)
    about = _about(place)
    groups: dict[str, list[Picture]] = {}
    titles: dict[str, str] = {}
    for name in names[:MOST]:
        told = about.get(name, {})
        found = find(place, name)
        if found is None:
            continue
        stem = Path(name).stem
        first, dot, kind = stem.partition(".")
        group = _text(told, "pair") or (first if dot else stem)
        titles.setdefault(group, "")
        titles[group] = titles[group] or _text(told, "title")
        picture = Picture(name, kind, _text(told, "caption"), found.signs.size > LARGEST)
        groups.setdefault(group, []).append(picture)
    ordered = [Group(name, titles[name] or name, tuple(sorted(parts, key=_beside))) for name, parts in groups.items()]
    return PicturesOfStep(step, tuple(ordered), max(0, len(names) - MOST))


def picture(folder: Path, step: int, name: str) -> tuple[Found, str] | None:
    """A picture that may be shown and its media type; None for whatever is no such picture."""
    place = _places(folder).get(step)
    if place is None or name not in _names(place):
        return None
    found, (media_type, beginning) = find(place, name), _TYPES[Path(name).suffix.lower()]
    if found is None or found.signs.size > LARGEST:
        return None
    try:
        with found.open() as file:
            return (found, media_type) if file.read(len(beginning)) == beginning else None
    except OSError:
        return None


def _places(folder: Path) -> Mapping[int, Path]:
    """By step; folders that are links are left out."""
    place = inside(folder, FOLDER)
    if place is None or not place.is_dir():
        return {}
    found: dict[int, Path] = {}
    with os.scandir(place) as entries:
        for entry in entries:
            match = _STEP.fullmatch(entry.name)
            if match and len(found) < MOST_STEPS and entry.is_dir(follow_symlinks=False):
                found.setdefault(int(match[1]), place / entry.name)
    return found


def _names(place: Path) -> list[str]:
    """Files that call themselves pictures, in order of name."""
    try:
        with os.scandir(place) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []
    return sorted(name for name in names if Path(name).suffix.lower() in _TYPES)


def _about(place: Path) -> Mapping[str, Mapping[str, Any]]:
    """What `about.json` says of files; nothing when it says it in another way."""
    found = find(place, ABOUT)
    try:
        if found is None or found.signs.size > _ABOUT_LARGEST:
            return {}
        with found.open() as file:
            content = json.loads(file.read(_ABOUT_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    told = content if isinstance(content, list) else []
    return {part["file"]: part for part in told if isinstance(part, dict) and isinstance(part.get("file"), str)}


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value[:200] if isinstance(value, str) else ""


def _beside(part: Picture) -> tuple[int, str]:
    return (_ORDER.index(part.kind) if part.kind in _ORDER else len(_ORDER), part.file)

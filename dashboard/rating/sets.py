"""What can be compared: rows of a run that fit a filter, or a folder of pictures."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from dashboard.desk import Desk
from dashboard.rating.pictures import file_picture, size_of, stored_picture
from dashboard.rating.study import SetOf
from dataset.errors import InputError
from hands.random_streams import stream

POSES = {"": "all poses", "base": "base poses", "augmented": "augmented poses"}
SPLITS = {"": "all splits", "train": "train", "validation": "validation", "test": "test"}
_WHERE = {"": "true", "base": "augmentation = 0", "augmented": "augmentation > 0"}
_SUFFIXES = frozenset((".png", ".jpg", ".jpeg"))
_PATIENCE = 24
"""Pictures that cannot be used, one after the other, before a set is given up."""


@dataclass(frozen=True)
class Choice:
    """A set as somebody asks for it."""

    name: str
    kind: str
    """`run` or `pictures`."""
    source: str
    """Its name in the catalogue."""
    poses: str = ""
    split: str = ""
    base_pose: str = ""

    @property
    def described(self) -> SetOf:
        """As a study keeps it."""
        parts = (POSES[self.poses] if self.poses else "", self.split, self.base_pose)
        return SetOf(name=self.name, source=self.source, filter=", ".join(filter(None, parts)))


@dataclass(frozen=True)
class Candidate:
    """A picture that may be chosen."""

    sample: str
    base_pose: str
    """Of a folder's picture the file's name without its ending."""
    read: Callable[[], bytes]
    """Its file."""


def candidates(desk: Desk, choice: Choice, seed: str, most: int) -> Iterator[Candidate]:
    """Pictures in an order that the seed decides; other poses come before other views of the same pose.

    Raises:
        InputError: there is no such set now.
    """
    if choice.kind == "pictures":
        return islice(_of_folder(desk, choice, seed), most)
    order = "hash(sample_id, $seed)"
    rank = f"row_number() OVER (PARTITION BY pose_id ORDER BY {order})"
    sql = f"SELECT {_TAKEN}, {rank} AS place FROM samples WHERE {_WHERE[choice.poses]} AND {_FITS}"
    return _of_run(desk, choice, f"SELECT {_TAKEN} FROM ({sql}) ORDER BY place, {order} LIMIT $most", seed, most=most)


def of_base_poses(
    desk: Desk, choice: Choice, seed: str, wanted: Sequence[str], each: int
) -> dict[str, list[Candidate]]:
    """So many pictures at most of each of some base poses, in an order that the seed decides."""
    found: dict[str, list[Candidate]] = {}
    if choice.kind == "pictures":
        several = (picture for picture in _of_folder(desk, choice, seed) if picture.base_pose in set(wanted))
    else:
        rank = "row_number() OVER (PARTITION BY base_pose ORDER BY hash(sample_id, $seed))"
        inside = f"base_pose IN (SELECT unnest($wanted)) AND {_WHERE[choice.poses]} AND {_FITS}"
        sql = f"SELECT {_TAKEN}, {rank} AS place FROM samples WHERE {inside}"
        sql = f"SELECT {_TAKEN} FROM ({sql}) WHERE place <= $each ORDER BY base_pose, place"
        several = _of_run(desk, choice, sql, seed, wanted=list(wanted), each=each)
    for picture in several:
        found.setdefault(picture.base_pose, []).append(picture)
    return {name: pictures[:each] for name, pictures in found.items()}


def base_poses(desk: Desk, choice: Choice) -> set[str]:
    """Of all its pictures."""
    if choice.kind == "pictures":
        return {path.stem for path in _files(desk, choice)}
    sql = f"SELECT DISTINCT base_pose FROM samples WHERE {_WHERE[choice.poses]} AND {_FITS}"
    return {name for (name,) in desk.index(_run(desk, choice)).ask(sql, _values(choice)) if name}


def usable(pictures: Iterator[Candidate], wanted: int) -> list[tuple[Candidate, tuple[int, int]]]:
    """The first ones that hold a picture, with their sizes; fewer when many in a row hold none."""
    found, misses = [], 0
    while len(found) < wanted and misses < _PATIENCE and (picture := next(pictures, None)):
        size = size_of(content_of(picture))
        misses = 0 if size else misses + 1
        if size:
            found.append((picture, size))
    return found


def content_of(picture: Candidate) -> bytes:
    """Its file; empty when that is gone or holds no picture."""
    try:
        content = picture.read()
    except InputError:
        return b""
    return content if content and size_of(content) else b""


_TAKEN = "sample_id, base_pose, shard, number"
_FITS = "($split = '' OR split = $split) AND ($base_pose = '' OR base_pose = $base_pose)"


def _values(choice: Choice) -> dict[str, Any]:
    return {"split": choice.split, "base_pose": choice.base_pose}


def _of_run(desk: Desk, choice: Choice, sql: str, seed: str, **values: Any) -> Iterator[Candidate]:
    run = _run(desk, choice)
    for sample, base_pose, shard, number in desk.index(run).ask(sql, _values(choice) | {"seed": seed} | values):
        yield Candidate(sample, base_pose or "", lambda at=(sample, shard, number): stored_picture(run, *at))


def _run(desk: Desk, choice: Choice) -> Any:
    if choice.source not in desk.catalogue.runs:
        raise InputError(f"{choice.name}: there is no run “{choice.source[:80]}” any more; choose another source")
    return desk.catalogue.runs[choice.source]


def _files(desk: Desk, choice: Choice) -> list[Path]:
    """Pictures of a folder that fit, in order of name."""
    if choice.source not in desk.catalogue.pictures:
        raise InputError(f"{choice.name}: there is no folder “{choice.source[:80]}” any more; choose another source")
    try:
        with os.scandir(desk.catalogue.pictures[choice.source].path) as entries:
            paths = sorted(Path(entry.path) for entry in entries if _is_file(entry))
    except OSError as error:
        raise InputError(f"{choice.source}: the folder cannot be read ({error.strerror})") from error
    paths = [path for path in paths if path.suffix.lower() in _SUFFIXES]
    return [path for path in paths if choice.base_pose in ("", path.stem)]


def _is_file(entry: os.DirEntry) -> bool:
    """A link that leads nowhere, or where we may not look, is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _of_folder(desk: Desk, choice: Choice, seed: str) -> Iterator[Candidate]:
    paths = _files(desk, choice)
    for number in stream(0, "folder", choice.source, seed).permutation(len(paths)):
        path = paths[number]
        yield Candidate(path.name, path.stem, lambda path=path: file_picture(path))

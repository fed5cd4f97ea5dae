"""The folder of studies: which there are, and each with its answers."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from dashboard.rating.answers import Answers
from dashboard.rating.making import FILE, PICTURES
from dashboard.rating.names import is_name
from dashboard.rating.order import Turn, turns
from dashboard.rating.study import Study
from dataset.errors import InputError


@dataclass(frozen=True)
class Opened:
    """A study that can be answered."""

    study: Study
    folder: Path

    @cached_property
    def answers(self) -> Answers:
        """To it."""
        return Answers(self.folder, self.study)

    def turns(self, rater: str) -> tuple[Turn, ...]:
        """The questions that can be shown, in the rater's order; those whose pictures are gone are left out."""
        there = self.there()
        return tuple(turn for turn in turns(self.study, rater) if there.issuperset(turn.pictures))

    def missing(self) -> int:
        """Questions that cannot be shown any more."""
        there = self.there()
        return sum(not there.issuperset(item.pictures) for item in self.study.items)

    def there(self) -> frozenset[str]:
        """Ids of the pictures that lie in the study's folder."""
        try:
            with os.scandir(self.folder / PICTURES) as entries:
                names = {entry.name.removesuffix(".jpg") for entry in entries}
        except OSError:
            return frozenset()
        return frozenset(names & self.study.picture.keys())

    def address(self, picture: str) -> str:
        """Where a browser finds a picture by its id."""
        return f"/rating/{self.study.name}/pictures/{picture}.jpg"

    def picture(self, name: str) -> bytes | None:
        """The file of a picture; None for a name that stands for nothing, or when it is gone."""
        if name not in self.study.picture:
            return None
        try:
            return (self.folder / PICTURES / f"{name}.jpg").read_bytes()
        except OSError:
            return None


@dataclass
class Studies:
    """All studies in a folder. Names in addresses are looked up among those that lie there."""

    folder: Path
    _opened: dict[str, tuple[tuple[int, int], Opened]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def names(self) -> list[str]:
        """Of all studies, in order; none when there is no folder.

        Raises:
            InputError: the folder cannot be read.
        """
        try:
            with os.scandir(self.folder) as entries:
                names = sorted(entry.name for entry in entries if is_name(entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(
                f"{self.folder}: studies cannot be read ({error.strerror}); name another folder by --ratings"
            ) from error
        return [name for name in names if (self.folder / name / FILE).is_file()]

    def open(self, name: str) -> Opened | None:
        """A study; None when there is none of that name.

        Raises:
            InputError: its file cannot be read, or says something that cannot be.
        """
        if name not in self.names():
            return None
        path = self.folder / name / FILE
        try:
            stat = path.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
            with self._lock:
                kept = self._opened.get(name)
            if kept is None or kept[0] != seen:
                kept = (seen, Opened(_read(path, name), self.folder / name))
                with self._lock:
                    self._opened[name] = kept
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        return kept[1]


def _read(path: Path, name: str) -> Study:
    try:
        study = Study.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; bring the file back from a copy") from error
    if study.name != name:
        raise InputError(f"{path}: the study calls itself “{study.name}”; its folder must have the same name")
    return study

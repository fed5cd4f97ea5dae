"""What there is to watch: datasets, training jobs and folders of pictures, named once so that no address holds a path."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.training.watched import WatchedTraining, is_training
from dashboard.watching.places import Place, public
from dashboard.watching.run import WatchedRun
from dataset.errors import InputError
from dataset.manifest import FILE
from dataset.storage.opening import open_store

_DEPTH = 3
"""Folders below one that was given in which datasets are looked for."""
_MOST = 200
"""Datasets and trainings that are taken from the folders that were given."""
_PATIENCE = 5.0
"""Seconds for storage to answer: the next look comes soon."""
_PICTURES = frozenset((".png", ".jpg", ".jpeg"))


@dataclass(frozen=True)
class Folder:
    """A folder of pictures."""

    name: str
    path: Path


@dataclass
class Catalogue:
    """Everything that is watched. Names stay as long as the process lives; things that appear later are found."""

    places: Sequence[Place]
    """Datasets, training folders, folders of pictures, and folders that hold some of them; `s3://bucket/prefix` too."""
    runs: dict[str, WatchedRun] = field(default_factory=dict)
    trainings: dict[str, WatchedTraining] = field(default_factory=dict)
    pictures: dict[str, Folder] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    """Place as it is shown to the sentence that says why nothing of it can be watched."""
    _known: dict[str, str] = field(default_factory=dict)
    """Place to name."""

    def look(self) -> None:
        """Find what has appeared since the last look."""
        troubles = {}
        for place in self.places:
            shown = public(place)
            try:
                if "://" in str(place) or re.match(r"s3:/", str(place)):
                    self._add_bucket(str(place), shown)
                else:
                    self._add_folder(Path(place), shown)
            except InputError as error:
                troubles[shown] = str(error).replace(str(place), shown)
            except OSError as error:
                troubles[shown] = f"{shown}: cannot be read ({error.strerror})"
        self.troubles = troubles

    def look_at_trainings(self) -> None:
        """Read what has been added to each training since the last look; one that fails is no reason to leave the others."""
        for training in list(self.trainings.values()):
            training.look()

    @property
    def training_versions(self) -> dict[str, int]:
        """By training, a number that goes up whenever something of it has changed."""
        return {name: training.version for name, training in self.trainings.items()}

    def _add_bucket(self, url: str, shown: str) -> None:
        if url not in self._known:
            store = open_store(url, _PATIENCE)
            name = self._name(url, store.folder.name)
            self.runs[name] = WatchedRun(name, store, shown)

    def _add_folder(self, folder: Path, shown: str) -> None:
        if not folder.is_dir():
            raise InputError(f"{shown}: there is no such folder; it is watched as soon as a run makes it")
        found = 0
        for path in _below(folder):
            found += 1
            if str(path) in self._known or len(self._known) >= _MOST:
                continue
            name = self._name(str(path), path.resolve().name)
            if (path / FILE).is_file():
                self.runs[name] = WatchedRun(name, open_store(path), str(path))
            elif is_training(path):
                training = WatchedTraining(name, path)
                training.look(0)
                self.trainings[name] = training
            else:
                self.pictures[name] = Folder(name, path)
        if not found:
            raise InputError(
                f"{shown}: holds no dataset, no training and no pictures yet; they are shown as soon as there are some"
            )

    def _name(self, place: str, wanted: str) -> str:
        """A name that nothing else has."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-.") or "unnamed"
        taken = set(self._known.values())
        names = (plain if number == 1 else f"{plain}-{number}" for number in range(1, len(taken) + 2))
        name = next(name for name in names if name not in taken)
        self._known[place] = name
        return name


def _below(folder: Path) -> Iterator[Path]:
    """Datasets and trainings at a folder or below it, in order of name; else the folder itself if it holds pictures."""
    found = list(_walk(folder, _DEPTH, _is_job))
    if found:
        yield from found
    elif _holds_pictures(folder):
        yield folder


def _walk(folder: Path, depth: int, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    if wanted(folder):
        yield folder
        return
    if depth:
        with os.scandir(folder) as entries:
            inside = sorted(Path(entry) for entry in entries if not entry.name.startswith(".") and _is_folder(entry))
        for path in inside:
            try:
                yield from _walk(path, depth - 1, wanted)
            except OSError:  # not ours to read, or gone by now
                continue


def _is_folder(entry: os.DirEntry) -> bool:
    """A link that leads nowhere, or where we may not look, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_job(folder: Path) -> bool:
    return (folder / FILE).is_file() or is_training(folder)


def _holds_pictures(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(Path(entry.name).suffix.lower() in _PICTURES for entry in entries)

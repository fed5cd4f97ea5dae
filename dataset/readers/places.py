"""Finding the files of a data set in the folder that the user named."""

from collections.abc import Iterable
from pathlib import Path

from dataset.errors import InputError


def first_file(places: Iterable[Path], name: str) -> Path | None:
    """The file of that name in the first of several folders that has it."""
    return next((place / name for place in places if (place / name).is_file()), None)


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, in name order; none when it is no folder."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def not_there(folder: Path, what: str) -> InputError:
    """The one sentence for a folder that does not hold what it should."""
    return InputError(f"{folder}: holds no {what}; docs/pose-sources.md says how source.path must look")

"""Recipes of trainings that come with the project: `configs/NETWORK/NAME.yaml`, named by their NAME alone."""

import re
from collections.abc import Callable, Collection
from importlib import resources
from pathlib import Path

from pydantic import BeforeValidator

from dataset.errors import InputError

_NAME = re.compile(r"[a-z_][a-z0-9_-]*", re.IGNORECASE)


def recipe(network: str, name: str, besides: Collection[str] = ()) -> Path:
    """The file of a recipe that comes with the project.

    Args:
        network: the folder in `configs`.
        name: of the file, without its ending.
        besides: files in the folder that are no recipes of a training.

    Raises:
        InputError: there is none of that name.
    """
    folder = Path(str(resources.files("configs"))) / network
    known = sorted({file.stem for file in folder.glob("*.yaml")} - set(besides))
    if name not in known:
        raise InputError(
            f"'{name}' is no recipe; there are {', '.join(known)}; a file of your own is given with its path"
        )
    return folder / f"{name}.yaml"


def by_name(find: Callable[[str], Path]) -> BeforeValidator:
    """For a key that takes a recipe or a file: a word that is no file is the name of a recipe, which `find` finds."""
    return BeforeValidator(lambda value: find(str(value)) if _is_name(value) else value)


def _is_name(value: object) -> bool:
    return isinstance(value, str | Path) and bool(_NAME.fullmatch(str(value))) and not Path(value).is_file()

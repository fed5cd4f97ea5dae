"""Folders of results: none is written among other things or over those of other settings."""

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dataset.atomic import is_partial
from dataset.errors import InputError


def plain(value: Any) -> Any:
    """The same for JSON, which has no NaN: null."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def refuse_foreign(out: Path, ours: Collection[str]) -> None:
    """Results are not written among other things.

    Raises:
        InputError: the folder holds something else, or is a file.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a directory for the tables")
    if foreign := sorted(path.name for path in out.glob("*") if path.name not in ours and not is_partial(path)):
        raise InputError(f"{out}: holds something else ({', '.join(foreign[:3])}); give an empty directory")

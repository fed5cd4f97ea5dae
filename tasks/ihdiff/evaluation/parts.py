"""Results of an evaluation as files: each is kept as soon as it is there, with the settings that it depends on."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataset.atomic import atomic_write
from dataset.errors import InputError
from tasks.result_folder import plain

Result = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Part:
    """One result that is computed or read."""

    table: int
    method: str
    target: str
    settings: dict[str, Any]
    make: Callable[[], Result] = field(repr=False)

    @property
    def name(self) -> str:
        """Of its file."""
        return "-".join(filter(None, (f"table{self.table}", self.method, self.target)))


def computed(out: Path, part: Part) -> Result:
    """Compute a result and keep it."""
    result = plain(part.make())
    atomic_write(_file(out, part), json.dumps({"settings": part.settings, "result": result}, allow_nan=False) + "\n")
    return result


def stored(out: Path, part: Part) -> Result | None:
    """What an earlier run found; None: nothing.

    Raises:
        InputError: it had other settings, or the file is damaged.
    """
    file = _file(out, part)
    if not file.exists():
        return None
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
        settings, result = dict(there["settings"]), dict(there["result"])
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise InputError(f"{file}: is damaged; remove it, and it is computed again") from error
    if different := sorted(name for name in settings | part.settings if settings.get(name) != part.settings.get(name)):
        raise InputError(f"{file}: is a result of another {', '.join(different)}; give an empty folder, or remove it")
    return result


def _file(out: Path, part: Part) -> Path:
    return out / "parts" / f"{part.name}.json"

"""The folder of predictions: what is there already is kept, what is somebody else's is left alone."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset.atomic import atomic_write, only_one, remove_leftovers
from dataset.errors import InputError
from tasks.result_folder import refuse_foreign

_BUSY = "another prediction is writing here; wait until it has ended, or give another folder"
_LONGEST = 150
"""Bytes of a name, so that an ending still fits into the 255 that file systems allow."""


@dataclass(frozen=True)
class Folder:
    """What lies where."""

    root: Path

    @property
    def table(self) -> Path:
        """All predictions."""
        return self.root / "predictions.parquet"

    @property
    def sheet(self) -> Path:
        """Small pictures of the first ones."""
        return self.root / "sheet.jpg"

    @property
    def parts(self) -> Path:
        """Predictions of finished parts, until all are there."""
        return self.root / "parts"

    @property
    def meshes(self) -> Path:
        """OBJ files."""
        return self.root / "meshes"

    def part(self, number: int) -> Path:
        """Predictions of one part."""
        return self.parts / f"{number:06d}.parquet"

    def overlay(self, name: str) -> Path:
        """The picture of that name with its hands drawn over it."""
        stem = self.root / "overlays" / file_stem(name)
        return stem.with_name(f"{stem.name}.jpg")

    @contextmanager
    def held(self, record: dict[str, Any]) -> Iterator[None]:
        """Made and kept to this process while the block runs.

        Args:
            record: what decides the predictions, plain JSON values.

        Raises:
            InputError: it holds something else or other predictions, cannot be written, or another process is in.
        """
        lock, about = self.root / ".predictions.lock", self.root / "predictions.json"
        ours = {path.name for path in (self.table, self.sheet, self.parts, self.meshes, lock, about)} | {"overlays"}
        refuse_foreign(self.root, ours)
        with only_one(lock, _BUSY):
            remove_leftovers(self.root)
            if self.table.exists() or self.parts.exists():
                _refuse_other(about, record)
            else:
                atomic_write(about, json.dumps(record, indent=1) + "\n")
            yield


def file_stem(name: str) -> str:
    """A picture's name as part of a path inside a folder, whatever it is."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return "/".join(_short(part) for part in parts) or "unnamed"


def _short(part: str) -> str:
    return part if len(part.encode()) <= _LONGEST else hashlib.sha256(part.encode()).hexdigest()


def _refuse_other(about: Path, record: dict[str, Any]) -> None:
    try:
        there = dict(json.loads(about.read_text(encoding="utf-8")))
    except (ValueError, TypeError, OSError) as error:
        raise InputError(f"{about}: is damaged or missing; give an empty folder") from error
    if different := sorted(name for name in record | there if there.get(name) != record.get(name)):
        raise InputError(f"{about.parent}: holds predictions of another {', '.join(different)}; give an empty folder")

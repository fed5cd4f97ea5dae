"""Datasets that another one is made from: finished, of this program's schema, every file there."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dataset.errors import InputError
from dataset.manifest import FILE, Manifest, RunRecord
from dataset.queries import readable
from dataset.schema import VERSION


@dataclass(frozen=True)
class Input:
    """A finished dataset."""

    manifest: Manifest
    fingerprint: str
    """SHA-256 of its manifest, which has the checksums of all its files."""

    @classmethod
    def read(cls, folder: Path) -> "Input":
        """The dataset in a folder.

        Raises:
            InputError: it is none, is not finished or of another schema, or a file of it is missing or cut.
        """
        manifest, content = Manifest.read(folder), (Path(folder) / FILE).read_bytes()
        if not manifest.is_finished:
            raise InputError(f"{folder}: is not finished; give the command that made it again, to its end")
        schema = json.loads(content)["schema"]
        if schema != VERSION:
            raise InputError(
                f"{folder}: is of schema {schema}, and a dataset is made from others of schema {VERSION} only; use the "
                "render-ih that wrote it"
            )
        _refuse_lost(manifest)
        return cls(manifest, sha256(content).hexdigest())

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.manifest.folder.resolve().name

    def entry(self) -> dict[str, Any]:
        """What the manifest of the result says of it, with how it came to be unless a run made it."""
        entry = {"name": self.name, "fingerprint": self.fingerprint, "images": self.manifest.rows("images")}
        origin = self.manifest.origin
        return entry if origin["operation"] == "run" else entry | {"origin": origin}


def _refuse_lost(manifest: Manifest) -> None:
    for table, shards in manifest.shards.items():
        for name in sorted(shards):
            if not manifest.done(table, name):
                raise InputError(f"{manifest.path(table, name)}: is missing or cut short; restore it from a copy")


def refuse_other_hands(inputs: Sequence[Input]) -> None:
    """Refuse datasets of different hand models: their parameters do not mean the same.

    Raises:
        InputError: one differs from the first.
    """
    first = inputs[0]
    for other in inputs[1:]:
        if other.manifest.hands != first.manifest.hands:
            raise InputError(
                f"{other.manifest.folder}: was made with another hand model than {first.manifest.folder}; put together only "
                "datasets of the same hands"
            )


def refuse_inside(out: Path, inputs: Sequence[Input]) -> None:
    """Refuse to make a dataset in one of those that it is made from.

    Raises:
        InputError: `out` is one of them, or lies in it.
    """
    for dataset in inputs:
        if out.resolve().is_relative_to(dataset.manifest.folder.resolve()):
            raise InputError(f"{out}: lies in {dataset.manifest.folder}; give a directory beside it")


def all_runs(inputs: Sequence[Input]) -> dict[str, RunRecord]:
    """The runs that made the rows of several datasets."""
    return {checksum: run for dataset in reversed(inputs) for checksum, run in dataset.manifest.runs.items()}


@contextmanager
def queried(inputs: Sequence[Input]) -> Iterator[None]:
    """Turns what a database cannot read in these datasets into an `InputError`."""
    with readable(*(dataset.manifest.folder for dataset in inputs)):
        yield

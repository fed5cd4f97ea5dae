"""A dataset in the making: its files gather in a hidden folder, and appear together with the manifest that lists them.

Stopped at any moment, the same command goes on with the file that it was at. The folder `.growing` has a journal: a line that
says what is being made, then a line for each finished file.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataset.atomic import atomic_write, explained, is_partial, only_one, remove_leftovers
from dataset.errors import InputError
from dataset.growing.pieces import Piece
from dataset.manifest import FILE, Manifest, RunRecord, Shards
from dataset.schema import TABLES
from dataset.shards import Shard
from dataset.splits import split_contents
from dataset.storage.folder import LOCK
from dataset.versions import code_version

FOLDER = ".growing"
_LOCK = ".growing.lock"
_JOURNAL = "journal"
_OWN = {FOLDER, _LOCK, LOCK}
"""What a stopped command leaves in a new folder."""
_SHOWN = 3


@dataclass
class Staging:
    """Finished files that no manifest lists yet."""

    target: Path
    """The dataset that they will be part of."""
    shards: Shards

    def build(self, pieces: Iterable[Piece], finished: Callable[[Piece], None]) -> None:
        """Make those that are not there; `finished` is told of each.

        Raises:
            InputError: the disk is full, or a file that rows are taken from is damaged.
        """
        for piece in pieces:
            if not self._has(piece.table, piece.name):
                self._add(piece.table, piece.write(self._staged(piece.table, piece.name)))
            finished(piece)

    def publish(self, runs: Mapping[str, RunRecord], origin: Mapping[str, Any], before: Shards) -> Manifest:
        """Put the files in their places and write the manifest, in that order; `before` are the shards that it listed."""
        shards = {table: before.get(table, {}) | self.shards[table] for table in TABLES}
        manifest = Manifest(self.target, dict(runs), dict(origin), {}, shards)
        manifest.splits = split_contents(self._path("images", name) for name in sorted(shards["images"]))
        with explained(self.target):
            for table in (table for table in TABLES if self.shards[table]):
                (self.target / table).mkdir(exist_ok=True)
                for name in self.shards[table]:
                    self._path(table, name).replace(manifest.path(table, name))
            manifest.replace()
            shutil.rmtree(self.target / FOLDER)
        return manifest

    def _staged(self, table: str, name: str) -> Path:
        return self.target / FOLDER / table / f"{name}.parquet"

    def _path(self, table: str, name: str) -> Path:
        """Where the file is: still hidden, or in its place."""
        staged = self._staged(table, name)
        return staged if staged.exists() else self.target / table / staged.name

    def _has(self, table: str, name: str) -> bool:
        shard, path = self.shards[table].get(name), self._path(table, name)
        return shard is not None and path.is_file() and path.stat().st_size == shard.bytes

    def _add(self, table: str, shard: Shard) -> None:
        with explained(self.target), (self.target / FOLDER / _JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(_line({"table": table} | asdict(shard)))
        self.shards[table][shard.name] = shard


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one command at a time changes a folder; it is made if it is not there.

    Raises:
        InputError: another one does, or it cannot be written.
    """
    with only_one(folder / _LOCK, "another render-ih is changing it; wait until it has finished"):
        yield


@contextmanager
def new_dataset(out: Path, origin: Mapping[str, Any]) -> Iterator[Staging | Manifest]:
    """What is to become a dataset: begun, or stopped and gone on with; its manifest when it is finished.

    Raises:
        InputError: the folder holds something else, cannot be written, or another command is at it.
    """
    _open_new(out, origin)  # a folder of something else does not even get a lock
    with locked(out):
        there, shards = _open_new(out, origin)
        if isinstance(there, Manifest):
            shutil.rmtree(out / FOLDER, ignore_errors=True)
            yield there
        else:
            yield _continued(out, there, shards, origin, {})


def _open_new(out: Path, origin: Mapping[str, Any]) -> tuple[Manifest | dict[str, Any] | None, Shards]:
    """The finished dataset of that origin, or what was begun of it."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a directory for the dataset")
    if (out / FILE).exists():
        manifest = Manifest.read(out)
        if manifest.origin == origin:
            return manifest, manifest.shards
        raise InputError(f"{out}: holds another dataset; give an empty directory, or append to that one")
    names = sorted(path.name for path in out.glob("*") if path.name not in _OWN and not is_partial(path))
    if names and not (out / FOLDER).exists():
        raise InputError(f"{out}: is not empty (it holds {', '.join(names[:_SHOWN])}); give an empty directory")
    there, shards = _journal(out)
    if there and there["origin"] != origin:
        raise InputError(
            f"{out}: holds another dataset, which was stopped half-way; finish that one, or give an empty directory"
        )
    return there, shards


def addition(dataset: Manifest, origin: Mapping[str, Any]) -> Staging:
    """What is to be added to a dataset that is locked; files of another addition that was stopped are removed."""
    return _continued(dataset.folder, *_journal(dataset.folder), origin, dataset.shards)


def _continued(
    target: Path, there: Mapping[str, Any] | None, shards: Shards, origin: Mapping[str, Any], listed: Shards
) -> Staging:
    """Files of the same work by the same program are kept; another one may cut files elsewhere."""
    job, staging = {"origin": origin, "program": code_version()}, Staging(target, shards)
    with explained(target):
        if there is not None and there != job:
            _discard(staging, listed)
            staging = Staging(target, {table: {} for table in TABLES})
        remove_leftovers(target / FOLDER)
        # Rewritten, because a line that was cut short would spoil the next one.
        lines = [{"table": table} | asdict(shard) for table in TABLES for shard in staging.shards[table].values()]
        atomic_write(target / FOLDER / _JOURNAL, "".join(map(_line, [job, *lines])))
    return staging


def _journal(target: Path) -> tuple[dict[str, Any] | None, Shards]:
    """What was being made and the files that were finished; None when nothing was."""
    shards: Shards = {table: {} for table in TABLES}
    try:
        job, *entries = _lines((target / FOLDER / _JOURNAL).read_bytes())
    except (FileNotFoundError, ValueError):
        return None, shards
    for entry in entries:
        table = entry.pop("table")
        shards[table][entry["name"]] = Shard(**entry)
    return job, shards


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    """The lines up to the first that was cut short."""
    for line in content.splitlines(keepends=True):
        try:
            yield json.loads(line)
        except ValueError:
            return


def _discard(staging: Staging, listed: Shards) -> None:
    """Remove files of other work, also those that had been put in their places, unless the manifest lists them."""
    for table, shards in staging.shards.items():
        for name in shards.keys() - listed.get(table, {}).keys():
            (staging.target / table / f"{name}.parquet").unlink(missing_ok=True)
    shutil.rmtree(staging.target / FOLDER)


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"

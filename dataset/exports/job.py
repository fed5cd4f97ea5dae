"""An export as a job: image shards one after the other, stopped at any moment and continued where it was.

A journal in the target, `.export.json`, says what is being exported and which shards are done; in the end `export.json`
takes its place. A format writes the files of a shard, and joins in the end what has to be one file.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dataset.atomic import atomic_write, explained, is_partial, remove_leftovers
from dataset.errors import InputError
from dataset.exports.selection import Selection
from dataset.manifest import Manifest
from dataset.shards import Row
from dataset.versions import code_version

JOURNAL = ".export.json"
MARKER = "export.json"
PARTS = ".parts"
"""Folder in the target for what `finish` joins; the job removes it when everything is done."""
_SHOWN = 3


@runtime_checkable
class Format(Protocol):
    """How one image shard becomes files, and what is done with them in the end."""

    columns: tuple[str, ...] | None
    """Dotted names of the columns of `images` that it reads; None: all."""

    def write_shard(self, name: str, rows: Iterator[Row], folder: Path) -> None:
        """Write all files of one image shard. Repeated after a kill, it gives the same bytes."""

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Join the shards' parts into the final files. May be repeated, so it keeps the parts or knows what it did."""


@dataclass(frozen=True)
class Job:
    """What is exported: equal jobs give equal files."""

    format: str
    dataset: str
    """Fingerprint of the dataset."""
    images: int
    samples: int
    """The number that was asked for; 0 is all."""


@dataclass
class _Journal:
    folder: Path
    job: Job
    done: list[str] = field(default_factory=list)

    def add(self, shard: str) -> None:
        self.done.append(shard)
        self.write()

    def write(self) -> None:
        content = {"job": asdict(self.job), "done": sorted(self.done)}
        atomic_write(self.folder / JOURNAL, json.dumps(content, indent=1) + "\n")


def fingerprint(manifest: Manifest) -> str:
    """Checksum of the content of a dataset: of the checksums of all its shards."""
    tables = {
        table: {name: shard.sha256 for name, shard in shards.items()} for table, shards in manifest.shards.items()
    }
    return sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def export(
    manifest: Manifest,
    format: Format,
    name: str,
    out: Path,
    samples: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> Path:
    """Write a dataset, or some of its images, in another format; go on with what was begun in the same folder.

    Args:
        manifest: of the dataset.
        format: what writes the files.
        name: of the format, as the command knows it.
        out: target; missing, empty, or a stopped export of the same dataset, format and number of samples.
        samples: number of images, spread over all shards and splits, the same ones every time; 0 for all.
        advance: called with the number of images just finished, also those of shards that were done before.

    Returns:
        The target.

    Raises:
        InputError: there is nothing to export, the target holds something else, the disk is full, or a shard is damaged.
    """
    out, selection = Path(out), Selection.of(manifest, samples)
    job = Job(name, fingerprint(manifest), sum(selection.counts.values()), samples)
    with explained(out), _alone(manifest, out):
        journal = _open(out, job)
        if not (out / MARKER).exists():
            _write(selection, format, journal, advance)
        shutil.rmtree(out / PARTS, ignore_errors=True)
        (out / JOURNAL).unlink()
    return out


def _write(selection: Selection, format: Format, journal: _Journal, advance: Callable[[int], None]) -> None:
    for shard, count in selection.counts.items():
        if shard not in journal.done:
            format.write_shard(shard, selection.rows(shard, format.columns), journal.folder)
            journal.add(shard)
        advance(count)
    format.finish(journal.folder, list(selection.counts))
    content = asdict(journal.job) | {"code_version": code_version()}
    atomic_write(journal.folder / MARKER, json.dumps(content, indent=1) + "\n")


@contextmanager
def _alone(manifest: Manifest, out: Path) -> Iterator[None]:
    """The target as a folder in which no other export is at work; the lock is on the folder, so no file stays."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a directory for the export")
    if out.resolve().is_relative_to(manifest.folder.resolve()):
        raise InputError(f"{out}: lies in the dataset itself; give a directory beside it")
    out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_RDONLY)
    try:
        _lock(descriptor, out)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, out: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"{out}: another export is writing into it; wait for its end, or give another directory"
        ) from error
    except OSError:
        return  # network file systems may not lock folders; two exports at once are rare


def _open(out: Path, job: Job) -> _Journal:
    """The journal of a new or a stopped export; what a killed writer left half-written is removed."""
    if (out / JOURNAL).exists():
        remove_leftovers(out)
        return _continued(out, job)
    _refuse_filled(out)
    journal = _Journal(out, job)
    journal.write()
    return journal


def _continued(out: Path, job: Job) -> _Journal:
    try:
        content = json.loads((out / JOURNAL).read_text(encoding="utf-8"))
        there, done = Job(**content["job"]), list(content["done"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{out / JOURNAL}: is damaged; empty the directory, or give another one") from error
    differences = list(_differences(asdict(there), asdict(job)))
    if differences:
        raise InputError(
            f"{out}: holds another export, which was stopped ({'; '.join(differences)}); finish that one, or give another "
            "directory"
        )
    return _Journal(out, there, done)


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    for name, value in here.items():
        if there[name] != value:
            yield "another dataset" if name == "dataset" else f"{name} is {there[name]} there and {value} here"


def _refuse_filled(out: Path) -> None:
    if (out / MARKER).exists():
        raise InputError(f"{out}: holds a finished export; give an empty directory")
    names = sorted(path.name for path in out.iterdir() if not is_partial(path))
    if names:
        raise InputError(f"{out}: is not empty (it holds {', '.join(names[:_SHOWN])}); give an empty directory")

"""Bringing the maps of the manifest here: many at once, each checked, none fetched twice, one's fault no other's."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dataset.assets.environments import Environment, refuse_unknown
from dataset.assets.pulling.haven import API, Haven, Offer, Refused
from dataset.assets.pulling.lock import Pulled, read_lock, write_lock
from dataset.assets.pulling.mirror import MapMirror
from dataset.atomic import explained, only_one

RESOLUTIONS = ("1k", "2k", "4k", "8k")
FORMATS = ("hdr", "exr")
_GUARD = ".pull.lock"

Source = Haven | MapMirror


@dataclass(frozen=True)
class Wish:
    """Which file of a map."""

    resolution: str = "2k"
    format: str | None = None
    """hdr or exr; none: the one that the manifest lists, or else the other."""

    def formats(self, listed: str) -> tuple[str, ...]:
        """Formats to look for, the best first; `listed` is the manifest's."""
        return (self.format,) if self.format else tuple(sorted(FORMATS, key=lambda format: format != listed))

    def fits(self, record: Pulled) -> bool:
        """Whether a map that is here is the file that is wished for."""
        return record.resolution == self.resolution and self.format in (None, record.format)


@dataclass
class PullReport:
    """What a pull did, by the maps' ids."""

    fetched: dict[str, Pulled] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    """Here and whole before."""
    failed: dict[str, str] = field(default_factory=dict)
    """Id to the reason."""


def select_maps(
    entries: list[Environment],
    ids: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    splits: tuple[str, ...] = (),
    count: int | None = None,
) -> list[Environment]:
    """The maps to pull: those that can be pulled and meet every demand; no demand, all.

    `count` takes the first of a fixed order in which kinds alternate, so that a few are varied, and a larger count adds to
    a smaller one.

    Raises:
        InputError: an id is unknown, or its map needs no pull.
    """
    pullable = [entry for entry in entries if entry.origin == "polyhaven"]
    refuse_unknown(ids, [entry.id for entry in pullable], "--ids")
    demands = ((ids, "id"), (kinds, "kind"), (splits, "split"))
    met = [e for e in pullable if all(not wanted or getattr(e, name) in wanted for wanted, name in demands)]
    return _alternating(met)[:count]


def open_maps(mirror: str | None, connections: int) -> Source:
    """Poly Haven itself, or a mirror: an http(s) address that speaks its API, or a folder of files.

    Raises:
        InputError: the mirror is neither.
    """
    if mirror is None or mirror.startswith(("http://", "https://")):
        return Haven(mirror or API, connections)
    return MapMirror(Path(mirror))


def pull_maps(
    wanted: list[Environment],
    folder: Path,
    source: Source,
    wish: Wish,
    parallel: int = 4,
    finished: Callable[[int], object] = lambda count: None,
) -> PullReport:
    """Fetch what is not here and whole, `parallel` maps at a time; each is recorded as soon as it is here.

    `finished` is called with 1 for every map, whatever became of it. An interrupted pull goes on where it was.

    Raises:
        InputError: the folder cannot be written, the disk is full, or another pull is at work in it.
    """
    report = PullReport()
    with _sole_pull(folder), ThreadPoolExecutor(parallel) as threads:
        records = read_lock(folder)
        job = partial(_bring, folder=folder, source=source, wish=wish)
        jobs = {threads.submit(job, entry, record=records.get(entry.id)): entry.id for entry in wanted}
        try:
            for done in as_completed(jobs):
                _note(jobs[done], done.result, records, report, folder)
                finished(1)
        except BaseException:
            source.stop()
            threads.shutdown(cancel_futures=True)
            raise
    return report


def _note(
    name: str, result: Callable[[], Pulled | None], records: dict[str, Pulled], report: PullReport, folder: Path
) -> None:
    try:
        pulled = result()
    except Refused as reason:
        report.failed[name] = str(reason)
    else:
        if pulled is None:
            report.kept.append(name)
        else:
            records[name] = report.fetched[name] = pulled
            write_lock(folder, records)


def _bring(entry: Environment, folder: Path, source: Source, wish: Wish, record: Pulled | None) -> Pulled | None:
    """One map; nothing when it is here already as the record says."""
    if record and wish.fits(record) and _digest(folder / record.file, "sha256") == record.sha256:
        return None
    offer = source.find(entry.id, wish.resolution, wish.formats(Path(entry.file).suffix[1:]))
    target = folder / f"{entry.id}_{offer.resolution}.{offer.format}"
    if not offer.md5 or _digest(target, "md5") != offer.md5:
        # the checksum in the name: what was begun of another version is never continued
        part = folder / f"{target.name}.{offer.md5[:8] or 'copy'}.part"
        source.fetch(offer, part)
        _put(part, target)
    return _record(target, offer)


def _put(part: Path, target: Path) -> None:
    with explained(target):
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
        for leftover in target.parent.glob(f"{target.name}.*.part"):
            leftover.unlink(missing_ok=True)


def _record(target: Path, offer: Offer) -> Pulled:
    md5, sha256 = _digest(target, "md5"), _digest(target, "sha256")
    return Pulled(target.name, offer.url, target.stat().st_size, md5, sha256, offer.resolution)


def _digest(path: Path, algorithm: str) -> str:
    """Checksum of a file; empty when there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except FileNotFoundError:
        return ""


def _alternating(entries: list[Environment]) -> list[Environment]:
    seen: Counter[str] = Counter()
    ranked = []
    for entry in sorted(entries, key=lambda entry: hashlib.sha256(entry.id.encode()).hexdigest()):
        ranked.append((seen[entry.kind], entry.kind, entry))
        seen[entry.kind] += 1
    return [entry for *_, entry in sorted(ranked, key=lambda rank: rank[:2])]


@contextmanager
def _sole_pull(folder: Path) -> Iterator[None]:
    """Creates the folder and keeps other pulls out of it."""
    with only_one(folder / _GUARD, "another pull is at work in this folder; let it end first"):
        yield

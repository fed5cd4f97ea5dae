"""The manifest: what a dataset is made of. What is done is what it says, never what a scheduler remembers.

`manifest.json` holds the version of the schema, the runs that made the rows (configuration, versions of program and
libraries), how the dataset came to be, what each split consists of, and for each table its shards with rows, bytes and
checksum. Its content does not depend on the order in which shards were finished.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dataset.atomic import is_partial, remove_leftovers
from dataset.errors import InputError
from dataset.schema import TABLES, VERSION
from dataset.shards import Shard, file_sha256
from dataset.storage.folder import LOCK, FolderStore
from dataset.storage.store import Store, Stored
from dataset.versions import code_version, library_versions

FILE = "manifest.json"
WORK = ".work"
"""Folder of a run's own files; it is gone when the dataset is finished."""
_FORMAT = 2
"""Of the file itself; the tables have a version of their own, `dataset.schema.VERSION`."""
_SHOWN = 3

Shards = dict[str, dict[str, Shard]]


@dataclass(frozen=True)
class RunRecord:
    """A run that made rows."""

    config: dict[str, Any]
    code_version: str
    """Program that began the run; each row of `images` says which one wrote it."""
    versions: dict[str, str]
    """Libraries that decide the content."""


def config_sha256(config: Mapping[str, Any]) -> str:
    """Checksum of a configuration, whatever the order of its keys."""
    return hashlib.sha256(_canonical(config).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass
class Manifest:
    """The manifest of one dataset."""

    folder: Path
    """Where its files lie, or, when it is in a bucket, where those lie that this machine has used."""
    runs: dict[str, RunRecord]
    """Checksum of a configuration, as rows have it in `provenance.config_sha256`, to the run."""
    origin: dict[str, Any] = field(default_factory=lambda: {"operation": "run"})
    """How the dataset came to be: by a run, or put together from others by merge, append or subset."""
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each split consists of, see `dataset.splits`; empty until the dataset is finished."""
    shards: Shards = field(default_factory=lambda: {table: {} for table in TABLES})
    """Table to shard name to shard."""
    store: Store | None = field(default=None, compare=False)
    """Where the dataset is; None: in `folder`."""
    _checked: set[tuple[Path, str]] = field(default_factory=set, compare=False, repr=False)
    """Copies of files that were compared with their checksums."""

    def __post_init__(self) -> None:
        self.store = self.store or FolderStore(self.folder)

    @classmethod
    def open(cls, where: Path | Store, config: Mapping[str, Any]) -> "Manifest":
        """Create a run's dataset, or resume the one that is there; unfinished files of dead writers are removed.

        Raises:
            InputError: the place holds something else, or a dataset of another configuration.
        """
        store, config = _store(where), json.loads(_canonical(config))
        if store.read(FILE) is None:
            refuse_foreign(store)
            run = RunRecord(config, code_version(), library_versions())
            cls(store.folder, {config_sha256(config): run}, store=store).create()
        manifest = cls.read(store)
        manifest._refuse_other(config)
        remove_leftovers(store.folder)
        return manifest

    @classmethod
    def read(cls, where: Path | Store) -> "Manifest":
        """The manifest of an existing dataset.

        Raises:
            InputError: there is none, it is damaged, or a newer program wrote it.
        """
        store = _store(where)
        stored = store.read(FILE)
        if stored is None:
            raise InputError(f"{store.url}: is not a dataset (no {FILE}); give the directory that a run wrote")
        return cls._parsed(store, stored)

    @classmethod
    def _parsed(cls, store: Store, stored: Stored) -> "Manifest":
        place = f"{store.url.rstrip('/')}/{FILE}"
        try:
            content = json.loads(stored.content)
            _refuse_version(place, content["format"], content["schema"] if content["format"] > 1 else "1.0")
            shards = {table: {s["name"]: _shard(s) for s in content["tables"][table]["shards"]} for table in TABLES}
            runs = {sha256: RunRecord(**run) for sha256, run in content["runs"].items()}
            return cls(store.folder, runs, content["origin"], content["splits"], shards, store)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{place}: is damaged; restore a copy or generate into an empty directory") from error

    @property
    def run(self) -> RunRecord:
        """The only run of the dataset.

        Raises:
            InputError: it was put together from several.
        """
        if len(self.runs) != 1:
            raise InputError(
                f"{self.store.url}: was put together from {len(self.runs)} runs; it has no single configuration"
            )
        return next(iter(self.runs.values()))

    @property
    def config(self) -> dict[str, Any]:
        """Configuration of the only run."""
        return self.run.config

    @property
    def config_sha256(self) -> str:
        """Checksum of the only run's configuration."""
        return config_sha256(self.config)

    @property
    def hands(self) -> dict[str, str]:
        """Checksums of the hand models that all its runs used; empty when none says."""
        return next((run.config["inputs"]["hands"] for run in self.runs.values() if "inputs" in run.config), {})

    @property
    def is_finished(self) -> bool:
        """Whether the last step has been done, after which only growing changes the dataset."""
        return bool(self.splits)

    def rows(self, table: str) -> int:
        """Rows of all finished shards of a table."""
        return sum(shard.rows for shard in self.shards[table].values())

    def path(self, table: str, name: str) -> Path:
        """Where a shard lies on this machine, finished or not."""
        return self.folder / file_name(table, name)

    def paths(self, table: str) -> list[Path]:
        """Files of all finished shards of a table, in name order, brought here if they lie elsewhere."""
        return [self.fetch(table, name) for name in sorted(self.shards[table])]

    def fetch(self, table: str, name: str) -> Path:
        """The file of a finished shard, brought here if it lies elsewhere.

        Raises:
            InputError: it lies elsewhere, and is lost or not the one that was listed.
        """
        shard, file = self.shards[table][name], file_name(table, name)
        path = self.store.fetch(file, shard.bytes)
        if isinstance(self.store, FolderStore) or (path, shard.sha256) in self._checked:
            return path
        if file_sha256(path) != shard.sha256:  # a copy of what lay there before
            path.unlink()
            path = self.store.fetch(file, shard.bytes)
            if file_sha256(path) != shard.sha256:
                path.unlink()
                raise InputError(f"{self.store.url}: {file} is not the file of the manifest; restore a copy of it")
        self._checked.add((path, shard.sha256))
        return path

    def done(self, table: str, name: str) -> bool:
        """Whether a shard is finished: listed, and its file there with the size that was listed."""
        shard = self.shards[table].get(name)
        return shard is not None and self.store.size(file_name(table, name)) == shard.bytes

    def add(self, table: str, shard: Shard) -> None:
        """Record a finished shard. Safe when several processes add at once: each keeps what the others added."""
        self.include([(table, shard)])

    def include(self, shards: Iterable[tuple[str, Shard]]) -> None:
        """Record finished shards with their tables, and learn of those that others recorded."""
        shards = list(shards)

        def include() -> None:
            for table, shard in shards:
                self.shards[table][shard.name] = shard

        self._change(include)

    def refresh(self) -> None:
        """Learn of the shards that others recorded."""
        self.shards = Manifest.read(self.store).shards

    @property
    def stopped(self) -> str:
        """Why a finished dataset has fewer images than its plan; empty when it has all."""
        return self.origin.get("stopped", "")

    def finish(self, splits: Mapping[str, Mapping[str, Any]], stopped: str = "") -> None:
        """Record what the splits consist of: the last thing that is written; `stopped` says why images are missing."""

        def finish() -> None:
            self.splits = {name: dict(content) for name, content in splits.items()}
            self.origin = {"operation": self.origin["operation"]} | ({"stopped": stopped} if stopped else {})

        self._change(finish)

    def replace(self) -> None:
        """Write this manifest in the place of the one that is there, or of none: a whole change in one step."""
        self.store.write(FILE, self.to_json().encode())

    def _change(self, change: Callable[[], None]) -> None:
        """Change what is there by now, however many do so at once."""
        while True:
            stored = self.store.read(FILE)
            self.shards = Manifest._parsed(self.store, stored).shards if stored else self.shards
            change()
            content = self.to_json().encode()
            if stored is None:
                written = self.store.create(FILE, content)
            else:
                written = content == stored.content or self.store.replace(FILE, content, stored.tag)
            if written:
                return

    def to_json(self) -> str:
        """The file's content: indented, keys and shards in order, no time and no path."""
        tables = {
            table: {"rows": self.rows(table), "shards": [asdict(shards[name]) for name in sorted(shards)]}
            for table, shards in self.shards.items()
        }
        content = {
            "format": _FORMAT,
            "schema": VERSION,
            "origin": self.origin,
            "runs": {sha256: asdict(run) for sha256, run in self.runs.items()},
            "splits": self.splits,
            "tables": tables,
        }
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def create(self) -> None:
        """Write the first manifest, unless there is one: perhaps by another process, a moment ago."""
        self.store.create(FILE, self.to_json().encode())

    def _refuse_other(self, config: dict[str, Any]) -> None:
        if self.origin["operation"] != "run":
            raise InputError(
                f"{self.store.url}: was made by `render-ih {self.origin['operation']}`, so no run can go on in it; give "
                "another directory and append the result"
            )
        refuse_other(self.store.url, self.config, config)


def _shard(listed: Mapping[str, Any]) -> Shard:
    """A shard as the file has it.

    Raises:
        TypeError: something else stands there.
    """
    shard = Shard(**listed)
    if not all(isinstance(getattr(shard, field.name), type_of) for field, type_of in _SHARD_FIELDS):
        raise TypeError(f"{listed} is no shard")
    return shard


_SHARD_FIELDS = tuple(zip(fields(Shard), (str, int, int, str), strict=True))


def _store(where: Path | Store) -> Store:
    return FolderStore(where) if isinstance(where, str | Path) else where


def file_name(table: str, name: str) -> str:
    """Name of a shard's file within the dataset."""
    return f"{table}/{name}.parquet"


def refuse_other(place: Path | str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse to go on with another configuration than that of the dataset.

    Raises:
        InputError: they differ; it says in what.
    """
    differences = _differences(there, here)
    if differences:
        more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise InputError(
            f"{place}: belongs to another configuration ({'; '.join(differences[:_SHOWN])}{more}); "
            "give another directory, or the configuration that it was made with"
        )


def _refuse_version(path: str, form: int, schema: str) -> None:
    """Readable: this program's major version, up to its own minor one."""
    major, minor = (int(part) for part in schema.split("."))
    own_major, own_minor = (int(part) for part in VERSION.split("."))
    if form > _FORMAT or (major, minor) > (own_major, own_minor):
        raise InputError(f"{path}: a newer render-ih wrote it (schema {schema}, here {VERSION}); update render-ih")
    if form < _FORMAT or major < own_major:
        raise InputError(
            f"{path}: is of schema {schema}, which render-ih no longer reads; use the version that wrote it"
        )


def refuse_foreign(store: Store) -> None:
    """Refuse a place that holds something else than a dataset.

    Raises:
        InputError: it does, or it is a file.
    """
    folder = store.folder
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a directory for the dataset")
    if isinstance(store, FolderStore):
        names = {path.name for path in folder.glob("*") if not is_partial(path)}
    else:
        names = {name.split("/")[0] for name in store.names("")}
    names -= {LOCK, WORK}
    if names and FILE not in names:
        shown = ", ".join(sorted(names)[:_SHOWN])
        raise InputError(f"{store.url}: is not empty and not a dataset (it holds {shown}); give an empty directory")


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    old, new = dict(_flat(there)), dict(_flat(here))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name, ...) != new.get(name, ...))
    show = lambda values, name: json.dumps(values[name], ensure_ascii=False) if name in values else "nothing"  # noqa: E731
    return [f"{name} is {show(old, name)} there and {show(new, name)} here" for name in names]


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield prefix + key, inner

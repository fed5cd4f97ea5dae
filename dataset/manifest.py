"""The manifest: what a dataset is made of. What is done is what it says, never what a scheduler remembers.

`manifest.json` holds the version of the schema, the runs that made the rows (configuration, versions of program and
libraries), how the dataset came to be, what each split consists of, and for each table its shards with rows, bytes and
checksum. Its content does not depend on the order in which shards were finished.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dataset.atomic import atomic_write, explained, is_partial, remove_leftovers
from dataset.errors import InputError
from dataset.schema import TABLES, VERSION
from dataset.shards import Shard
from dataset.versions import code_version, library_versions

FILE = "manifest.json"
_LOCK = ".manifest.lock"
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
    """The manifest of one dataset directory."""

    folder: Path
    runs: dict[str, RunRecord]
    """Checksum of a configuration, as rows have it in `provenance.config_sha256`, to the run."""
    origin: dict[str, Any] = field(default_factory=lambda: {"operation": "run"})
    """How the dataset came to be: by a run, or put together from others by merge, append or subset."""
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each split consists of, see `dataset.splits`; empty until the dataset is finished."""
    shards: Shards = field(default_factory=lambda: {table: {} for table in TABLES})
    """Table to shard name to shard."""

    @classmethod
    def open(cls, out_dir: Path, config: Mapping[str, Any]) -> "Manifest":
        """Create a run's dataset, or resume the one that is there; unfinished files of dead writers are removed.

        Raises:
            InputError: the directory holds something else, or a dataset of another configuration.
        """
        out_dir, config = Path(out_dir), json.loads(_canonical(config))
        refuse_foreign(out_dir)
        run = RunRecord(config, code_version(), library_versions())
        cls(out_dir, {config_sha256(config): run}).create()
        manifest = cls.read(out_dir)
        manifest._refuse_other(config)
        remove_leftovers(out_dir)
        return manifest

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of an existing dataset.

        Raises:
            InputError: there is none, it is damaged, or a newer program wrote it.
        """
        path = Path(folder) / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            _refuse_version(path, content["format"], content["schema"] if content["format"] > 1 else "1.0")
            shards = {table: {s["name"]: Shard(**s) for s in content["tables"][table]["shards"]} for table in TABLES}
            runs = {sha256: RunRecord(**run) for sha256, run in content["runs"].items()}
            return cls(Path(folder), runs, content["origin"], content["splits"], shards)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(f"{folder}: is not a dataset (no {FILE}); give the directory that a run wrote") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: is damaged; restore a copy or generate into an empty directory") from error

    @property
    def run(self) -> RunRecord:
        """The only run of the dataset.

        Raises:
            InputError: it was put together from several.
        """
        if len(self.runs) != 1:
            raise InputError(
                f"{self.folder}: was put together from {len(self.runs)} runs; it has no single configuration"
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
        """Where a shard lies, finished or not."""
        return self.folder / table / f"{name}.parquet"

    def paths(self, table: str) -> list[Path]:
        """Files of all finished shards of a table, in name order."""
        return [self.path(table, name) for name in sorted(self.shards[table])]

    def done(self, table: str, name: str) -> bool:
        """Whether a shard is finished: listed, and its file there with the size that was listed."""
        shard, path = self.shards[table].get(name), self.path(table, name)
        return shard is not None and path.is_file() and path.stat().st_size == shard.bytes

    def add(self, table: str, shard: Shard) -> None:
        """Record a finished shard. Safe when several processes add at once: each keeps what the others added."""
        with self._locked():
            self.shards = Manifest.read(self.folder).shards
            self.shards[table][shard.name] = shard
            self._write()

    def finish(self, splits: Mapping[str, Mapping[str, Any]]) -> None:
        """Record what the splits consist of: the last thing that is written."""
        with self._locked():
            self.shards = Manifest.read(self.folder).shards
            self.splits = {name: dict(content) for name, content in splits.items()}
            self._write()

    def replace(self) -> None:
        """Write this manifest in the place of the one that is there, or of none: a whole change in one step."""
        with self._locked():
            self._write()

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
        with self._locked():
            if not (self.folder / FILE).exists():
                self._write()

    def _write(self) -> None:
        atomic_write(self.folder / FILE, self.to_json())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _refuse_other(self, config: dict[str, Any]) -> None:
        if self.origin["operation"] != "run":
            raise InputError(
                f"{self.folder}: was made by `render-ih {self.origin['operation']}`, so no run can go on in it; give another "
                "directory and append the result"
            )
        refuse_other(self.folder, self.config, config)


def refuse_other(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse to go on with another configuration than that of the dataset.

    Raises:
        InputError: they differ; it says in what.
    """
    differences = _differences(there, here)
    if differences:
        more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise InputError(
            f"{folder}: belongs to another configuration ({'; '.join(differences[:_SHOWN])}{more}); "
            "give another directory, or the configuration that it was made with"
        )


def _refuse_version(path: Path, form: int, schema: str) -> None:
    """Readable: this program's major version, up to its own minor one."""
    major, minor = (int(part) for part in schema.split("."))
    own_major, own_minor = (int(part) for part in VERSION.split("."))
    if form > _FORMAT or (major, minor) > (own_major, own_minor):
        raise InputError(f"{path}: a newer render-ih wrote it (schema {schema}, here {VERSION}); update render-ih")
    if form < _FORMAT or major < own_major:
        raise InputError(
            f"{path}: is of schema {schema}, which render-ih no longer reads; use the version that wrote it"
        )


def refuse_foreign(folder: Path) -> None:
    """Refuse a directory that holds something else than a dataset.

    Raises:
        InputError: it does, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a directory for the dataset")
    names = {path.name for path in folder.glob("*") if not is_partial(path)} - {_LOCK}
    if names and FILE not in names:
        shown = ", ".join(sorted(names)[:_SHOWN])
        raise InputError(f"{folder}: is not empty and not a dataset (it holds {shown}); give an empty directory")


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

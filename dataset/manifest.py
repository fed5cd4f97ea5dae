"""The manifest: what a dataset is made of. What is done is what it says, never what a scheduler remembers.

`manifest.json` holds the configuration and its checksum, the versions of program and libraries, and for each table its
shards with rows, bytes and checksum. Its content does not depend on the order in which shards were finished.
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
from dataset.schema import TABLES
from dataset.shards import Shard
from dataset.versions import code_version, library_versions

FILE = "manifest.json"
_LOCK = ".manifest.lock"
_FORMAT = 1
_SHOWN = 3

Shards = dict[str, dict[str, Shard]]


def config_sha256(config: Mapping[str, Any]) -> str:
    """Checksum of a configuration, whatever the order of its keys."""
    return hashlib.sha256(_canonical(config).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass
class Manifest:
    """The manifest of one dataset directory."""

    folder: Path
    config: dict[str, Any]
    code_version: str
    """Program that created the dataset; each row of `images` says which one wrote it."""
    versions: dict[str, str]
    shards: Shards = field(default_factory=lambda: {table: {} for table in TABLES})
    """Table to shard name to shard."""

    @classmethod
    def open(cls, out_dir: Path, config: Mapping[str, Any]) -> "Manifest":
        """Create a dataset, or resume the one that is there; unfinished files of dead writers are removed.

        Raises:
            InputError: the directory holds something else, or a dataset of another configuration.
        """
        out_dir, config = Path(out_dir), json.loads(_canonical(config))
        _refuse_foreign(out_dir)
        cls(out_dir, config, code_version(), library_versions())._create()
        manifest = cls.read(out_dir)
        manifest._refuse_other(config)
        remove_leftovers(out_dir)
        return manifest

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of an existing dataset.

        Raises:
            InputError: there is none, or it is damaged.
        """
        path = Path(folder) / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise InputError(
                    f"{path}: has format {content['format']}, not {_FORMAT}; use the version that wrote it"
                )
            shards = {table: {s["name"]: Shard(**s) for s in content["tables"][table]["shards"]} for table in TABLES}
            return cls(Path(folder), content["config"], content["code_version"], content["versions"], shards)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(f"{folder}: is not a dataset (no {FILE}); give the directory that a run wrote") from error
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise InputError(f"{path}: is damaged; restore a copy or generate into an empty directory") from error

    @property
    def config_sha256(self) -> str:
        """Checksum of the configuration."""
        return config_sha256(self.config)

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
            atomic_write(self.folder / FILE, self.to_json())

    def to_json(self) -> str:
        """The file's content: indented, keys and shards in order, no time and no path."""
        tables = {
            table: {"rows": self.rows(table), "shards": [asdict(shards[name]) for name in sorted(shards)]}
            for table, shards in self.shards.items()
        }
        content = {
            "format": _FORMAT,
            "code_version": self.code_version,
            "versions": self.versions,
            "config": self.config,
            "config_sha256": self.config_sha256,
            "tables": tables,
        }
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def _create(self) -> None:
        """Write the first manifest, unless there is one: perhaps by another process, a moment ago."""
        with self._locked():
            if not (self.folder / FILE).exists():
                atomic_write(self.folder / FILE, self.to_json())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _refuse_other(self, config: dict[str, Any]) -> None:
        differences = _differences(self.config, config)
        if differences:
            more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
            raise InputError(
                f"{self.folder}: belongs to another configuration ({'; '.join(differences[:_SHOWN])}{more}); "
                "give another directory, or the configuration that it was made with"
            )


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a directory for the dataset")
    names = {path.name for path in folder.glob("*") if not is_partial(path)} - {_LOCK}
    if names and FILE not in names:
        shown = ", ".join(sorted(names)[:_SHOWN])
        raise InputError(f"{folder}: is not empty and not a dataset (it holds {shown}); give an empty directory")


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
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

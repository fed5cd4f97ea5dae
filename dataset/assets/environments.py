"""The environment maps of `hdri_manifest.yaml` and a user's own: which are here, and whether they are whole."""

import difflib
import hashlib
import importlib.util
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from dataset.assets.pulling.lock import Pulled, read_lock
from dataset.errors import InputError
from dataset.splits import SPLITS

KINDS = ("outdoor", "indoor", "studio", "night")
OWN = "environments.yaml"
"""A list of the user's own maps, in the folder that holds them."""

_ROOT = Path(__file__).parents[1]
_ORIGINS = ("bundled", "polyhaven", "folder")
_ID = re.compile(r"[A-Za-z0-9_-]+")
_UNSAID = {"origin": "folder", "author": "", "resolution": "", "bytes": 0, "md5": "", "sha256": "", "source": ""}
"""What a user need not write about an own map."""


@dataclass(frozen=True)
class Environment:
    """One environment map."""

    id: str
    kind: str
    """outdoor, indoor, studio or night."""
    split: str
    licence: str
    origin: str
    """`bundled` (inside the bpy package), `polyhaven` (pulled) or `folder` (the user's own)."""
    author: str
    resolution: str
    """1k, 2k, 4k or 8k: thousands of pixels across."""
    file: str
    bytes: int
    md5: str
    """Of the file, as its source announces it; empty where that is not known."""
    sha256: str
    """Of the file; empty where that is not known."""
    source: str
    """The page that describes it."""

    @property
    def name(self) -> str:
        """The id as words: "old_room_01" is "Old Room 01"."""
        return " ".join(word[:1].upper() + word[1:] for word in re.split("[_-]", self.id))

    def path(self, folder: Path | None = None) -> Path:
        """Where the file is, or should be; `folder` holds what is not bundled, `default_folder()` when none is named."""
        return (bundled_folder() if self.origin == "bundled" else Path(folder or default_folder())) / self.file

    def is_here(self, folder: Path | None = None) -> bool:
        """Whether the file is here and can be checked: a file that no pull recorded does not count."""
        return bool(self.sha256 or self.origin == "folder") and self.path(folder).is_file()


_FIELDS = {field.name for field in fields(Environment)}


def default_folder() -> Path:
    """Where maps are pulled to and looked for when no folder is named: inside the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache") / "render-ih" / "environments"


def bundled_folder() -> Path:
    """The environment maps inside the bpy package, found without starting Blender.

    Raises:
        InputError: bpy is not installed, or this build of it has no environments.
    """
    spec = importlib.util.find_spec("bpy")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the package `bpy` (Blender) is not installed; run `make setup`")
    folders = sorted(Path(spec.submodule_search_locations[0]).glob("*/datafiles/studiolights/world"))
    if not folders:
        raise InputError("this build of `bpy` has no bundled environment maps; name a folder of your own in the config")
    return folders[-1]


def read_environments(manifest: Path | None = None, folder: Path | None = None) -> list[Environment]:
    """All entries of an environment manifest, the project's own by default, and of the user's own maps in `folder`.

    A pulled map's file, size and checksums are those that its pull recorded.

    Raises:
        InputError: a file is missing or damaged, or an entry lacks a field or says something impossible.
    """
    candidates = [manifest] if manifest else [_ROOT.parent / "hdri_manifest.yaml", _ROOT / "hdri_manifest.yaml"]
    folder = Path(folder or default_folder())
    listed = _read(next((p for p in candidates if p.is_file()), candidates[0]), {})
    own = _read(folder / OWN, _UNSAID) if (folder / OWN).is_file() else []
    _refuse_doubles(listed, own, folder / OWN)
    records = read_lock(folder)
    return [_as_pulled(entry, records.get(entry.id)) for entry in listed] + own


def choose_environments(
    ids: tuple[str, ...], splits: Collection[str], folder: Path | None = None, manifest: Path | None = None
) -> list[Environment]:
    """The environments a run uses, each file checked: those named, or every one of the splits that is present.

    Raises:
        InputError: a named one is unknown, missing or of another split, a file is damaged, or none is left.
    """
    known = {environment.id: environment for environment in read_environments(manifest, folder)}
    refuse_unknown(ids, known, "environments.ids")
    if foreign := [name for name in ids if known[name].split not in splits]:
        raise InputError(
            f"environments.ids names '{foreign[0]}', which belongs to {known[foreign[0]].split}; take it out, or let the "
            "run make that split"
        )
    chosen = [known[name] for name in ids] if ids else [e for e in known.values() if e.split in splits]
    present = [e for e in chosen if ids or e.is_here(folder)]
    if not present:
        raise InputError(missing_environments(next(iter(splits))))
    return [replace(e, sha256=check(e, folder)) for e in present]


def missing_environments(split: str) -> str:
    """What to say, and to do, where a split has no environment."""
    return (
        f"no environment of split '{split}' is present; run `render-ih assets pull --split {split}`, or "
        "`render-ih assets list` to see which are"
    )


def refuse_unknown(ids: Iterable[str], known: Iterable[str], where: str) -> None:
    """Say which id is not known, and the ones nearest to it.

    Raises:
        InputError: there is such an id.
    """
    known = list(known)
    for name in ids:
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.0))
            raise InputError(
                f"{where} names '{name}', which is not listed; the nearest are {near} (`render-ih assets list` has all)"
            )


def presence(folder: Path | None = None, manifest: Path | None = None) -> str:
    """How many of the listed maps are here, as a sentence without its full stop."""
    entries = read_environments(manifest, folder)
    listed = [entry for entry in entries if entry.origin != "folder"]
    here, own = sum(e.is_here(folder) for e in listed), sum(e.is_here(folder) for e in entries if e not in listed)
    mine = f" and {own} of your own" if own else ""
    rest = "; `render-ih assets pull` fetches the rest" if here < len(listed) else ""
    return f"{here} of {len(listed)} environments{mine} are here{rest}"


def check(environment: Environment, folder: Path | None = None) -> str:
    """Compare a file with its checksum; gives the file's SHA-256, also where none was known before (own maps).

    Raises:
        InputError: it is missing or damaged, or nothing says what it should be.
    """
    path = environment.path(folder)
    if not path.is_file():
        raise InputError(f"{path}: environment '{environment.id}' is missing; {_remedy(environment)}")
    if not environment.sha256 and environment.origin == "polyhaven":
        raise InputError(f"{path}: no pull recorded what this file should be; {_remedy(environment)}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != (environment.sha256 or digest):
        raise InputError(
            f"{path}: environment '{environment.id}' is damaged (checksum differs); {_remedy(environment)}"
        )
    return digest


def _remedy(environment: Environment) -> str:
    return {
        "bundled": "reinstall bpy, which brings it",
        "polyhaven": f"run `render-ih assets pull --ids {environment.id}`",
        "folder": f"bring the file, or mend {OWN}",
    }[environment.origin]


def _as_pulled(entry: Environment, record: Pulled | None) -> Environment:
    if entry.origin != "polyhaven" or record is None:
        return entry
    known = ("file", "bytes", "md5", "sha256", "resolution")
    return replace(entry, **{name: getattr(record, name) for name in known})


def _read(path: Path, unsaid: Mapping[str, Any]) -> list[Environment]:
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times faster on the 300, where it was compiled
        entries = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)["environments"]
        listed = [(number, dict(entry)) for number, entry in enumerate(entries or ())]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no readable list of environments; restore the file or name another one") from error
    for number, entry in listed:
        if fault := _fault({**unsaid, **entry}, own=bool(unsaid)):
            raise InputError(f"{path}: entry {number} ({entry.get('id', 'no id')}) {fault}")
    return [Environment(**{**unsaid, **entry}) for _, entry in listed]


def _fault(entry: Mapping[str, Any], own: bool) -> str:
    """What is wrong with an entry; empty when nothing is."""
    if set(entry) != _FIELDS:
        return f"has missing or unknown fields: {', '.join(sorted(set(entry) ^ _FIELDS))}"
    if not _ID.fullmatch(str(entry["id"])):
        return "has an id of other characters than letters, digits, _ and -"
    choices = {"kind": KINDS, "split": SPLITS, "origin": ("folder",) if own else _ORIGINS}
    for field, allowed in choices.items():
        if entry[field] not in allowed:
            return f"has the {field} '{entry[field]}'; it can be {', '.join(allowed)}"
    texts = all(isinstance(entry[field], str) for field in _FIELDS - {"bytes"})
    return (
        "" if texts and isinstance(entry["bytes"], int) else "has a text that is no text, or bytes that are no number"
    )


def _refuse_doubles(listed: list[Environment], own: list[Environment], path: Path) -> None:
    seen: set[str] = set()
    for entry in [*listed, *own]:
        if entry.id in seen:
            raise InputError(f"{path if entry in own else 'the manifest'}: '{entry.id}' is listed twice; rename one")
        seen.add(entry.id)

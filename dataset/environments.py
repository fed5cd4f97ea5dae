"""The environment maps of `hdri_manifest.yaml`: which are here, and whether they are whole."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import yaml

from dataset.errors import InputError

_ROOT = Path(__file__).parent
_FIELDS = {"id", "kind", "split", "licence", "origin", "file", "bytes", "source", "sha256"}


@dataclass(frozen=True)
class Environment:
    """One environment map."""

    id: str
    kind: str
    """outdoor, indoor, studio or night."""
    split: str
    licence: str
    origin: str
    """`bundled` (inside the bpy package) or `folder` (pulled or brought by the user)."""
    file: str
    bytes: int
    source: str
    sha256: str

    def path(self, folder: Path | None = None) -> Path:
        """Where the file is, or should be."""
        return (bundled_folder() if self.origin == "bundled" else Path(folder or ".")) / self.file


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


def read_environments(manifest: Path | None = None) -> list[Environment]:
    """All entries of an environment manifest, the project's own by default.

    Raises:
        InputError: the file is missing or an entry lacks a field.
    """
    candidates = [manifest] if manifest else [_ROOT.parent / "hdri_manifest.yaml", _ROOT / "hdri_manifest.yaml"]
    path = next((p for p in candidates if p.is_file()), candidates[0])
    try:
        entries = yaml.safe_load(path.read_text())["environments"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no readable list of environments; restore the file or name another one") from error
    for number, entry in enumerate(entries):
        if set(entry) != _FIELDS:
            wrong = ", ".join(sorted(set(entry) ^ _FIELDS))
            raise InputError(
                f"{path}: entry {number} ({entry.get('id', 'no id')}) has missing or unknown fields: {wrong}"
            )
    return [Environment(**entry) for entry in entries]


def choose_environments(
    ids: tuple[str, ...], split: str, folder: Path | None = None, manifest: Path | None = None
) -> list[Environment]:
    """The environments a run uses, each file checked: those named, or every one of the split that is present.

    Raises:
        InputError: a named one is unknown or missing, a file is damaged, or none is left.
    """
    known = {environment.id: environment for environment in read_environments(manifest)}
    for name in ids:
        if name not in known:
            raise InputError(
                f"environments.ids names '{name}', which hdri_manifest.yaml does not list; it has {', '.join(known)}"
            )
    chosen = [known[name] for name in ids] if ids else [e for e in known.values() if e.split == split]
    present = [e for e in chosen if ids or e.path(folder).is_file()]
    for environment in present:
        check(environment, folder)
    if not present:
        raise InputError(f"no environment of split '{split}' is present; run `render-ih assets list` to see which are")
    return present


def check(environment: Environment, folder: Path | None = None) -> None:
    """Compare a file with its checksum.

    Raises:
        InputError: it is missing or damaged.
    """
    path = environment.path(folder)
    if not path.is_file():
        raise InputError(
            f"{path}: environment '{environment.id}' is missing; reinstall bpy (bundled ones) or bring the file"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != environment.sha256:
        raise InputError(f"{path}: environment '{environment.id}' is damaged (checksum differs); replace the file")

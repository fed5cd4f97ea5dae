"""What a pull recorded about the maps in a folder: `environments.lock.json`, by id."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from dataset.atomic import atomic_write
from dataset.errors import InputError

LOCK = "environments.lock.json"
_FORMAT = 1
_MD5 = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pulled:
    """One fetched map."""

    file: str
    """Name in the folder."""
    url: str
    """Where it came from."""
    bytes: int
    md5: str
    sha256: str
    resolution: str
    """1k, 2k, 4k or 8k: thousands of pixels across."""

    def __post_init__(self):
        named = Path(self.file).name == self.file and isinstance(self.bytes, int)
        if not named or not _MD5.fullmatch(self.md5) or not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"not a record of a map: {self}")

    @property
    def format(self) -> str:
        """hdr or exr."""
        return Path(self.file).suffix[1:]


def read_lock(folder: Path) -> dict[str, Pulled]:
    """Id to record; empty where nothing was ever pulled.

    Raises:
        InputError: the file is damaged.
    """
    path = Path(folder) / LOCK
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError("another format")
        return {name: Pulled(**entry) for name, entry in content["environments"].items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is damaged; remove it and run `render-ih assets pull`, which checks the maps that are there and "
            "records them again"
        ) from error


def write_lock(folder: Path, records: dict[str, Pulled]) -> None:
    """Write all records atomically, in the order of their ids.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    content = {"format": _FORMAT, "environments": {name: asdict(records[name]) for name in sorted(records)}}
    atomic_write(Path(folder) / LOCK, json.dumps(content, indent=1) + "\n")

"""A folder that somebody filled with environment maps, as a source of a pull: a shared drive, or another pull's folder."""

import hashlib
import os
from contextlib import AbstractContextManager
from pathlib import Path

from dataset.assets.pulling.haven import Offer, Refused, Stopped
from dataset.assets.pulling.lock import Pulled, read_lock
from dataset.atomic import explained
from dataset.errors import InputError

_MAGIC = {"hdr": b"#?", "exr": b"\x76\x2f\x31\x01"}
"""First bytes of a Radiance and of an OpenEXR file."""
_PIECE = 1 << 20


class MapMirror(AbstractContextManager):
    """A local folder of maps. With a lock file in it, copies are compared with the MD5 and SHA-256 that it holds."""

    def __init__(self, folder: Path):
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise InputError(f"{folder}: is no folder and no http(s) address; name a mirror that is one of them")
        self._records = read_lock(self._folder)
        self._stopped = False

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        """Make every copy that is in progress give up."""
        self._stopped = True

    def find(self, name: str, resolution: str, formats: tuple[str, ...]) -> Offer:
        """The file of a map in a resolution, in the first of the formats that there is.

        Raises:
            Refused: there is no such file.
        """
        for format in formats:
            path = self._folder / f"{name}_{resolution}.{format}"
            if path.is_file():
                record = self._record(path)
                size, md5 = (record.bytes, record.md5) if record else (path.stat().st_size, "")
                return Offer(str(path.resolve()), size, md5, resolution, format)
        names = " or ".join(f"{name}_{resolution}.{format}" for format in formats)
        raise Refused(f"{self._folder} has no {names}")

    def fetch(self, offer: Offer, part: Path) -> None:
        """Copy a file to `part` and compare it with the mirror's record of it.

        Raises:
            Refused: it is not what it should be (then `part` is removed).
            InputError: the disk is full, or `part` cannot be written.
        """
        source = Path(offer.url)
        self._copy(source, part)
        if fault := _fault(part, offer, self._record(source)):
            part.unlink()
            raise Refused(f"{source} {fault}")

    def _record(self, path: Path) -> Pulled | None:
        return next((r for r in self._records.values() if r.file == path.name), None)

    def _copy(self, source: Path, part: Path) -> None:
        try:
            file = source.open("rb")
        except OSError as error:
            raise Refused(f"{source} cannot be read ({os.strerror(error.errno or 0)})") from error
        with file, explained(part), part.open("wb") as copy:
            while piece := file.read(_PIECE):
                if self._stopped:
                    raise Stopped
                copy.write(piece)


def _fault(part: Path, offer: Offer, record: Pulled | None) -> str:
    """What is wrong with a copy; empty when nothing is."""
    if part.stat().st_size != offer.bytes:
        return f"has {part.stat().st_size} bytes where its lock file says {offer.bytes}"
    with part.open("rb") as file:
        if record is None:
            return "" if file.read(8).startswith(_MAGIC[offer.format]) else f"is no {offer.format} picture"
        md5 = hashlib.file_digest(file, "md5").hexdigest()
        file.seek(0)
        same = (md5, hashlib.file_digest(file, "sha256").hexdigest()) == (record.md5, record.sha256)
    return "" if same else "differs from the checksums of its lock file"

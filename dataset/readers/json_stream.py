"""JSON files larger than memory, entry by entry."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import ijson
from ijson.common import ObjectBuilder

from dataset.readers.frame import Refusal

_NOT_JSON = re.compile(rb"(?<![^\[,:\s])[-+]?(?:NaN|Infinity)(?=[\],}\s]|\Z)")
_CHUNK = 1 << 16
_LONGEST = 1 << 20
_OPENING, _CLOSING = ("start_map", "start_array"), ("end_map", "end_array")


class FiniteJson:
    """A file in which the words NaN and Infinity, which Python writes but JSON does not know, read as null.

    So one bad number costs one entry, where a parser would give up the rest of the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._rest = file, b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes, never cut inside a word; empty at the end and for `size` 0."""
        if size == 0:
            return b""
        while True:
            chunk = self._file.read(_CHUNK)
            content = self._rest + chunk
            cut = content.rfind(b",") if chunk and len(content) < _LONGEST else len(content)
            if cut > 0 or not chunk:
                self._rest = content[cut:]
                return _NOT_JSON.sub(b"null", content[:cut])
            self._rest = content


def entries(path: Path, depth: int) -> Iterator[tuple[tuple[str, ...], object]]:
    """(keys, value) of all entries `depth` objects deep; fewer keys where something else than an object comes earlier.

    Raises:
        Refusal: the file is cut off, is not JSON, or holds no object; what came before was given.
    """
    keys: list[str] = []
    builder, nested = None, 0
    for event, value in _events(path):
        if builder is None and event == "map_key":
            keys[-1] = value
        elif builder is None and event == "start_map" and len(keys) < depth:
            keys.append("")
        elif builder is None and event == "end_map":
            keys.pop()
        else:
            if not keys:
                raise Refusal("", "wrong type")
            builder = builder or ObjectBuilder()
            builder.event(event, value)
            nested += (event in _OPENING) - (event in _CLOSING)
            if nested == 0:
                yield tuple(keys), builder.value
                builder = None


def items(path: Path, prefix: str) -> Iterator[object]:
    """Elements of the list at `prefix`, in ijson's notation ("item", "images.item").

    Raises:
        Refusal: the file is cut off or is not JSON; what came before was given.
    """
    with _opened(path) as file:
        yield from ijson.items(FiniteJson(file), prefix, use_float=True)


def small_json(path: Path) -> object:
    """The content of a file of one entry.

    Raises:
        Refusal: it is cut off, not JSON, or missing.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise Refusal("", "missing file") from error
    except (ValueError, RecursionError, OSError) as error:
        raise Refusal("", "unreadable file") from error


def _events(path: Path) -> Iterator[tuple[str, object]]:
    with _opened(path) as file:
        yield from ijson.basic_parse(FiniteJson(file), use_float=True)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """An open file; what a parser cannot read in it becomes a `Refusal`."""
    try:
        with path.open("rb") as file:
            yield file
    except (ijson.JSONError, ValueError, OSError) as error:
        raise Refusal("", "unreadable file") from error

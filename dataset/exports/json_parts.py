"""Large JSON files from parts: each shard leaves its items as lines, and they are joined without being held in memory."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from dataset.atomic import atomic_file


def write_lines(path: Path, items: Iterable[Any]) -> None:
    """Write one line of JSON for each item."""
    with atomic_file(path) as file:
        for item in items:
            file.write(_bytes(item) + b"\n")


def read_lines(paths: Iterable[Path]) -> Iterator[Any]:
    """The items of some files in order, one in memory at a time."""
    for path in paths:
        with path.open("rb") as file:
            yield from (json.loads(line) for line in file)


def write_object(path: Path, entries: Mapping[str, Any]) -> None:
    """Write one JSON object. An iterator among its values becomes an array, written item by item."""
    with atomic_file(path) as file:
        for number, (key, value) in enumerate(entries.items()):
            file.write((b"," if number else b"{") + b"\n" + _bytes(key) + b":")
            _write_value(file, value)
        file.write(b"\n}\n")


def _write_value(file: BinaryIO, value: Any) -> None:
    if not isinstance(value, Iterator):
        file.write(_bytes(value))
        return
    file.write(b"[")
    for number, item in enumerate(value):
        file.write((b",\n" if number else b"\n") + _bytes(item))
    file.write(b"]")


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

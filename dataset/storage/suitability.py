"""Does storage keep the promises that many writers rely on? Some servers take a condition and ignore it."""

import uuid

from dataset.errors import InputError
from dataset.storage.store import Store

_FOLDER = ".work/"


def refuse_unsuitable(store: Store) -> None:
    """Try the conditional writes on a file of its own, which is removed.

    Raises:
        InputError: two writers could make the same file, or what was written is not seen, or nothing can be written.
    """
    name = f"{_FOLDER}trial-{uuid.uuid4().hex}"
    try:
        fault = _fault(store, name)
    finally:
        store.remove(name)
    if fault:
        raise InputError(
            f"{store.url}: this storage {fault}, so two workers could make the same shard; use one with conditional writes "
            "(docs/storage.md)"
        )


def _fault(store: Store, name: str) -> str:
    contents = [f"{name} {number}".encode() for number in range(4)]
    tag = store.create(name, contents[0])
    if tag is None:
        return "says of a new file that it is there already"
    if store.create(name, contents[1]) is not None:
        return "creates a file that is there already"
    newer = store.replace(name, contents[2], tag)
    if newer is None:
        return "does not replace a file whose tag is right"
    if store.replace(name, contents[3], tag) is not None:
        return "replaces a file whose tag has changed"
    there = store.read(name)
    if there is None or (there.content, there.tag) != (contents[2], newer) or name not in store.names(_FOLDER):
        return "does not show what was just written"
    return ""

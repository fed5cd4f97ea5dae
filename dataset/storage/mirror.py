"""A dataset that lies in a bucket, brought to this machine whole, for the commands that read folders."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dataset.atomic import atomic_write
from dataset.errors import InputError
from dataset.manifest import FILE, Manifest
from dataset.shards import Shard
from dataset.storage.folder import FolderStore
from dataset.storage.opening import open_store
from dataset.storage.store import Store

DOCUMENTS = ("README.md", "croissant.json", "contact_sheet.png", "contact_sheet.html")
"""What lies beside the tables; a dataset may have it or not."""
_FETCHED_AT_ONCE = 4

Bar = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Title, total and unit to a progress bar, which is called with what has just been done."""


@contextmanager
def _silent(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda count: None


def local_copy(where: str | Path, progress: Bar = _silent, patience: float = 600.0) -> Path:
    """A folder that holds the dataset: a folder itself, or a copy of a bucket's content in the user's cache.

    What is here already is not fetched again, so a stopped copy goes on. The manifest comes last.

    Raises:
        InputError: there is no dataset, a file is lost or is not that of the manifest, or the bucket cannot be used.
        StorageError: the server does not answer, or the disk is full.
    """
    store = open_store(where, patience)
    if isinstance(store, FolderStore):
        return store.folder
    stored, manifest = store.read(FILE), Manifest.read(store)
    files = {(table, name): shard for table, shards in manifest.shards.items() for name, shard in shards.items()}
    known = _checksums_here(store.folder)
    with progress("fetching", len(files), "files") as advance, ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
        jobs = [pool.submit(_bring, manifest, *key, known.get(key)) for key in files]
        try:
            for job in as_completed(jobs):
                job.result()
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)
    _remove_unlisted(manifest)
    for name in DOCUMENTS:
        _bring_document(store, name)
    atomic_write(store.folder / FILE, stored.content)
    return store.folder


def _checksums_here(folder: Path) -> dict[tuple[str, str], str]:
    """What the files of a finished copy are, as its own manifest has it."""
    try:
        shards = Manifest.read(folder).shards
    except InputError:
        return {}
    return {(table, name): shard.sha256 for table in shards for name, shard in shards[table].items()}


def _bring(manifest: Manifest, table: str, name: str, known: str | None) -> None:
    """A file of the manifest; one that is here is trusted if its checksum is known."""
    shard = manifest.shards[table][name]
    if known != shard.sha256 or not _has_size(manifest.path(table, name), shard):
        manifest.fetch(table, name)


def _has_size(path: Path, shard: Shard) -> bool:
    return path.is_file() and path.stat().st_size == shard.bytes


def _remove_unlisted(manifest: Manifest) -> None:
    """Copies of files that the dataset no longer has, or does not have yet."""
    for table in manifest.shards:
        listed = {manifest.path(table, name) for name in manifest.shards[table]}
        for path in set((manifest.folder / table).glob("*.parquet")) - listed:
            path.unlink(missing_ok=True)


def _bring_document(store: Store, name: str) -> None:
    if store.size(name) is None:
        (store.folder / name).unlink(missing_ok=True)
    else:
        store.fetch(name)

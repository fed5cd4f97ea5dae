"""Copies of a bucket's files on this machine: fetched once, whole, by one at a time."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from dataset.errors import InputError, StorageError
from dataset.manifest import Manifest
from dataset.shards import Shard
from dataset.storage.opening import open_store
from tests.dataset.storage.conftest import put_here

CONTENT = b"x" * 1000


@pytest.fixture
def behind(open_through):
    """A store behind the proxy with one file that is not here."""
    store = open_through()
    put_here(store, "images/a", CONTENT)
    store.publish("images/a")
    (store.folder / "images/a").unlink()
    return store


def gets(proxy) -> int:
    """How often the file was asked for."""
    return sum(method == "GET" and path.endswith("images/a") for method, path in proxy.requests)


def test_a_file_of_the_right_size_is_not_fetched_again(proxy, behind):
    for _ in range(3):
        assert behind.fetch("images/a", len(CONTENT)).read_bytes() == CONTENT
    assert gets(proxy) == 1
    behind.fetch("images/a", len(CONTENT)).write_bytes(CONTENT[:-1])
    assert behind.fetch("images/a", len(CONTENT)).read_bytes() == CONTENT and gets(proxy) == 2
    behind.fetch("images/a")
    assert gets(proxy) == 3, "without a size nothing tells that it is the same"


def test_eight_that_want_a_file_fetch_it_once(proxy, behind):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: behind.fetch("images/a", len(CONTENT)), range(8)))
    assert {path.read_bytes() for path in paths} == {CONTENT} and gets(proxy) == 1


def test_half_a_file_is_not_left(proxy, behind):
    proxy.faults["GET"] = [(403, "AccessDenied")]
    with pytest.raises(InputError, match="images/a: not allowed"):
        behind.fetch("images/a", len(CONTENT))
    assert not list((behind.folder / "images").iterdir())


def test_copies_go_with_their_files(behind):
    path = behind.fetch("images/a")
    behind.write("images/b", b"new")
    assert behind.move("images/b", "images/a")
    assert not path.exists(), "the old copy would pass for the new file"
    assert behind.fetch("images/a").read_bytes() == b"new"
    behind.remove("images/a")
    assert not path.exists()
    put_here(behind, "images/a", b"left over")
    assert not behind.move("images/a", "images/c") and not path.exists()


def test_a_cache_that_cannot_be_written(behind):
    behind.folder.parent.joinpath("locks").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        behind.fetch("images/a")


def test_a_copy_of_what_lay_there_before_is_not_taken_for_the_shard(bucket_url):
    """A dataset that was removed and made anew at the same place, with files of the same size."""
    store = open_store(bucket_url, patience=20)
    manifest = Manifest.open(store, {"seed": 1})
    for content in (b"before", b"behind"):
        path = manifest.path("poses", "00000")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        store.publish("poses/00000.parquet")
        path.write_bytes(b"before")
        shard = Shard("00000", 1, len(content), hashlib.sha256(content).hexdigest())
        manifest.add("poses", shard)
        assert Manifest.read(store).fetch("poses", "00000").read_bytes() == content
    manifest.path("poses", "00000").unlink()
    store.write("poses/00000.parquet", b"others")
    with pytest.raises(InputError, match="is not the file of the manifest"):
        Manifest.read(store).fetch("poses", "00000")


def test_an_opened_file_fetches_only_what_is_read_and_one_version(proxy, behind, directly):
    with behind.open("images/a") as file:
        assert file.read(10) == CONTENT[:10] and gets(proxy) == 1
        assert not (behind.folder / "images/a").exists(), "nothing is kept on this machine"
        directly(behind).write("images/a", b"y" * 1000)
        with pytest.raises(StorageError, match="images/a was written anew while it was read"):
            file.read(10)

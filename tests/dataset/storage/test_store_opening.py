"""Which storage a path or URL tells of, and what is said of those that tell of none."""

import sys
from pathlib import Path

import pytest

from dataset.errors import InputError
from dataset.storage.bucket import BucketStore
from dataset.storage.cache import cache_folder
from dataset.storage.folder import FolderStore
from dataset.storage.opening import open_store


@pytest.mark.parametrize(
    ("where", "folder"),
    [
        ("out/demo", "out/demo"),
        (Path("/data/x"), "/data/x"),
        ("file:///data/my%20x", "/data/my x"),
        ("file:/data/x", "/data/x"),
        ("a:b/c", "a:b/c"),
        ("", "."),
    ],
)
def test_folders(where, folder):
    store = open_store(where)
    assert isinstance(store, FolderStore) and store.folder == Path(folder)


def test_buckets(bucket_url):
    for where in (bucket_url, Path(bucket_url), bucket_url.replace("s3", "S3"), f"{bucket_url}/"):
        store = open_store(where)
        assert isinstance(store, BucketStore) and store.url == bucket_url + "/" * str(where).endswith("/")
        store.write("x", b"1")
        assert store.names("") == ["x"]


def test_a_whole_bucket(s3, at):
    at(s3.environment)
    bucket = s3.new_bucket()
    open_store(f"{bucket}/deep/er").write("x", b"1")
    store = open_store(bucket)
    assert store.names("") == ["deep/er/x"] and store.read("deep/er/x").content == b"1"
    assert store.names("deep/") == ["deep/er/x"] and f"s3://{store.folder.name}" == bucket


def test_neighbours_are_apart(s3, at):
    at(s3.environment)
    bucket = s3.new_bucket()
    stores = [open_store(f"{bucket}/{place}") for place in ("run", "run-2", "run/inner")]
    for store in stores:
        store.write("x", store.url.encode())
    assert stores[1].names("") == ["x"] and stores[0].names("") == ["inner/x", "x"]
    assert len({store.folder for store in stores}) == 3


@pytest.mark.parametrize("url", ["gs://bucket/x", "http://host/x", "file://host/x", "az://x"])
def test_other_kinds_are_refused(url):
    scheme = url.partition(":")[0]
    with pytest.raises(InputError, match=rf"^{scheme}://…: .*; give a path, file:///path or s3://bucket/prefix$"):
        open_store(url)


@pytest.mark.parametrize(
    "url", ["s3://", "s3://bucket/x?versionId=1", "s3://bucket/x#y", "s3://bucket/../x", "s3://b/a//b"]
)
def test_urls_of_no_bucket(url):
    with pytest.raises(InputError, match=r"is no URL of a bucket; give s3://bucket/prefix|is no name of a file"):
        open_store(url)


@pytest.mark.parametrize("url", ["s3://KEY:hidden@bucket/x", "s3://hidden@bucket", "s3://host:hidden/x"])
def test_credentials_in_a_url_are_refused_and_not_shown(url):
    with pytest.raises(
        InputError, match=r"no credentials and no server in it; give s3://bucket/prefix, and set"
    ) as caught:
        open_store(url)
    assert "hidden" not in str(caught.value)


def test_without_the_library(monkeypatch):
    monkeypatch.delitem(sys.modules, "dataset.storage.bucket")
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(InputError, match=r"^s3://bucket/x: buckets need a library; pip install 'render-ih\[s3\]'$"):
        open_store("s3://bucket/x")
    assert open_store("folder").folder == Path("folder")


def test_the_cache_is_of_the_server_too(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder("http://one", "bucket", "runs/demo")
    assert folder.is_relative_to(tmp_path / "render-ih/buckets") and folder.name == "demo"
    others = [
        ("http://two", "bucket", "runs/demo"),
        ("http://one", "bucket", "other/demo"),
        ("http://one", "b", "runs/demo"),
    ]
    assert len({folder, *(cache_folder(*other) for other in others)}) == 4
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("", "bucket", "").is_relative_to(tmp_path / "home/.cache/render-ih/buckets")

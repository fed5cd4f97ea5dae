"""A dataset in a bucket, brought here: whole, checked, and only what is not here."""

import shutil

import pytest

from dataset.errors import InputError, StorageError
from dataset.manifest import Manifest
from dataset.storage.mirror import DOCUMENTS, local_copy
from dataset.storage.opening import open_store
from dataset.verification.verify import verify
from tests.dataset.synthetic import write_dataset


@pytest.fixture
def upload(bucket_url):
    """Puts a dataset's folder into the bucket, and leaves no copy here; its store."""

    def put(folder):
        store = open_store(bucket_url)
        for path in folder.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                store.write(path.relative_to(folder).as_posix(), path.read_bytes())
        shutil.rmtree(store.folder, ignore_errors=True)
        return store

    return put


@pytest.fixture
def stored(dataset_dir, upload):
    store = upload(dataset_dir)
    store.write("README.md", b"what it is")
    store.write("contact_sheet.png", b"\x89PNG")
    return store


def files(folder) -> dict:
    """Content by name, without locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_folder_is_its_own_copy(dataset_dir):
    assert local_copy(dataset_dir) == local_copy(f"file://{dataset_dir}") == dataset_dir


def test_a_copy_is_the_dataset(stored, dataset_dir, hands):
    folder = local_copy(stored.url)
    wanted = files(dataset_dir) | {"README.md": b"what it is", "contact_sheet.png": b"\x89PNG"}
    assert folder == stored.folder and files(folder) == wanted
    assert not verify(folder, hands, pictures=False).problems


def test_progress_counts_files(stored):
    steps = []

    class Bar:
        def __init__(self, title, total, unit):
            steps.append((title, total, unit))

        def __enter__(self):
            return steps.append

        def __exit__(self, *_):
            pass

    local_copy(stored.url, Bar)
    shards = sum(len(shards) for shards in Manifest.read(stored).shards.values())
    assert steps[0] == ("fetching", shards, "files") and sum(steps[1:]) == shards > 3


def counted(monkeypatch, stored) -> list[str]:
    """Names of files that are downloaded from now on."""
    names, download = [], type(stored)._download
    monkeypatch.setattr(
        type(stored), "_download", lambda self, name, path: [names.append(name), download(self, name, path)]
    )
    return names


def test_what_is_here_is_not_fetched_again(stored, monkeypatch):
    folder = local_copy(stored.url)
    downloaded = counted(monkeypatch, stored)
    lost = next((folder / "images").glob("*.parquet"))
    lost.unlink()
    local_copy(stored.url)
    assert {name for name in downloaded if name not in DOCUMENTS} == {f"images/{lost.name}"}


def test_a_stopped_copy_goes_on(stored, monkeypatch, dataset_dir):
    def stop(title, total, unit):
        raise KeyboardInterrupt

    folder = stored.folder
    first = stored.fetch("images/00000.parquet")
    with pytest.raises(KeyboardInterrupt):
        local_copy(stored.url, stop)
    assert not (folder / "manifest.json").exists(), "it would say that all is here"
    downloaded = counted(monkeypatch, stored)
    local_copy(stored.url)
    assert "images/00000.parquet" not in downloaded and first.read_bytes() == files(dataset_dir)["images/00000.parquet"]


def test_a_dataset_made_anew_is_not_mixed_with_the_old_copy(stored, samples, upload, tmp_path):
    folder = local_copy(stored.url)
    stored.clear("images/")
    stored.remove("README.md")
    (folder / "images").mkdir()
    (folder / "images/00009.parquet").write_bytes(b"of the old one")
    (folder / "README.md").write_bytes(b"of the old one")
    again = write_dataset(tmp_path / "again", samples[:3]).folder
    store = open_store(stored.url)
    for name, content in files(again).items():
        store.write(name, content)
        if name.endswith("parquet"):  # of the same size and wrong, as copies of the old one may be
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"0" * len(content))
    (folder / "manifest.json").write_bytes(
        (again / "manifest.json").read_bytes().replace(b'"sha256": "', b'"sha256": "0')
    )
    local_copy(stored.url)
    assert files(folder) == files(again) | {"contact_sheet.png": b"\x89PNG"}


def test_a_wrong_file_is_said(stored):
    right = stored.read("images/00000.parquet").content
    for content in (right[:-1], right[:-1] + b"?"):
        stored.write("images/00000.parquet", content)
        with pytest.raises(
            InputError, match=r"^s3://.*demo: images/00000\.parquet is not the file of the manifest; restore"
        ):
            local_copy(stored.url)
        assert not (stored.folder / "images/00000.parquet").exists()
    stored.remove("images/00000.parquet")
    with pytest.raises(InputError, match=r"there is no images/00000\.parquet"):
        local_copy(stored.url)


def test_no_dataset(bucket_url):
    with pytest.raises(InputError, match=r"^s3://.*: is not a dataset \(no manifest\.json\)"):
        local_copy(bucket_url)


def test_a_manifest_leads_nowhere_else(stored):
    manifest = stored.read("manifest.json").content
    stored.write("manifest.json", manifest.replace(b'"name": "00000"', b'"name": "../../../00000"', 1))
    with pytest.raises(InputError, match="is no name of a file in a dataset"):
        local_copy(stored.url)


def test_a_server_that_goes_away(stored, at):
    at({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    with pytest.raises(StorageError, match="Connection refused"):
        local_copy(stored.url, patience=0.1)

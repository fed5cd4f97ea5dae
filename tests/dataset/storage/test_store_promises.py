"""What both kinds of storage promise, on a folder and on a bucket of a real server."""

import io
import json
import threading
from itertools import cycle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.errors import InputError
from dataset.storage.opening import open_store
from dataset.storage.store import Store
from tests.dataset.storage.conftest import put_here
from tests.dataset.storage.writers import INCREMENTS, WRITERS, compete, count_up, create_one


def test_it_is_a_store(store, url):
    assert isinstance(store, Store) and store.url == str(store) == url
    assert store.folder.name == "demo"


def test_a_file_is_read_as_it_was_written(store):
    assert store.read("a/b.json") is None and store.size("a/b.json") is None
    store.write("a/b.json", b"one")
    first = store.read("a/b.json")
    assert first.content == b"one" and store.size("a/b.json") == 3
    store.write("a/b.json", b"other")
    second = store.read("a/b.json")
    assert second.content == b"other" and second.tag != first.tag
    store.write("empty", b"")
    assert store.read("empty").content == b"" and store.size("empty") == 0


def test_create_does_not_touch_what_is_there(store):
    tag = store.create("x.json", b"mine")
    assert tag == store.read("x.json").tag
    assert store.create("x.json", b"yours") is None
    assert store.read("x.json") == (b"mine", tag)


def test_replace_asks_for_the_right_tag(store):
    tag = store.create("x.json", b"1")
    newer = store.replace("x.json", b"2", tag)
    assert newer == store.read("x.json").tag != tag
    assert store.replace("x.json", b"3", tag) is None
    assert store.read("x.json") == (b"2", newer)
    assert store.replace("gone.json", b"4", tag) is None and store.read("gone.json") is None


def test_remove_may_be_repeated(store):
    store.write("a/b", b"1")
    store.remove("a/b")
    store.remove("a/b")
    assert store.read("a/b") is None and store.names("") == []


def test_clear_removes_a_folder_alone(store):
    for name in (".work/a", ".work/deep/b", ".workshop/c", "d"):
        store.write(name, b"1")
    put_here(store, ".work/deep/e", b"2")
    store.clear(".work/")
    store.clear(".work/")
    assert store.names("") == [".workshop/c", "d"] and store.read(".work/deep/b") is None
    assert not (store.folder / ".work").exists()


def test_names_are_ordered_and_of_the_folder_alone(store):
    wanted = ["poses/0.json", "poses/10.json", "poses/2.json", "poses/deep/x.json"]
    for name in [*reversed(wanted), "poses-2/0.json", "posesx", "manifest.json"]:
        store.write(name, b"1")
    assert store.names("poses/") == wanted
    assert store.names("") == sorted([*wanted, "poses-2/0.json", "posesx", "manifest.json"])
    assert store.names("nothing/") == []


def test_names_are_complete_beyond_a_thousand(bucket_url):
    """A server lists a thousand names an answer."""
    store = open_store(bucket_url)
    wanted = [f"claims/{number:05d}.json" for number in range(1001)]
    for name in wanted:
        store.write(name, b"1")
    assert store.names("claims/") == wanted


@pytest.mark.parametrize(
    "name", ["empfänger/手.json", "a b.json", "a%20b#c?d&e+f.json", ".work/x", "e\u0301", 'it\'s "*"']
)
def test_odd_names_are_kept(store, name):
    store.write(name, b"1")
    assert store.names("") == [name]
    assert store.read(name).content == b"1" and store.size(name) == 1
    put_here(store, name, b"22")
    store.publish(name)
    assert store.fetch(name).read_bytes() == b"22"
    assert store.move(name, f"to/{name}") and store.names("") == [f"to/{name}"]


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x"])
def test_names_that_lead_out_are_refused(store, name):
    for use in (store.read, store.size, store.remove, store.fetch, lambda name: store.write(name, b"1")):
        with pytest.raises(InputError, match="is no name of a file in a dataset"):
            use(name)
    with pytest.raises(InputError, match="is no name of a file in a dataset"):
        store.move("x", name)


def test_one_of_sixteen_creates(url):
    tags = compete(create_one, url)
    winners = [number for number, tag in enumerate(tags) if tag is not None]
    assert len(tags) == WRITERS and len(winners) == 1
    stored = open_store(url).read("race.json")
    assert json.loads(stored.content) == list(divmod(winners[0], 4)) and stored.tag == tags[winners[0]]


def test_no_increment_of_sixteen_writers_is_lost(url):
    store = open_store(url)
    store.create("count.json", json.dumps({"count": 0, "by": ""}).encode())
    tries = compete(count_up, url)
    assert json.loads(store.read("count.json").content)["count"] == WRITERS * INCREMENTS
    assert sum(tries) > WRITERS * INCREMENTS, "they never met: the test proves nothing"


def test_readers_see_whole_files(store):
    contents = [bytes([digit]) * 300_000 for digit in b"abc"]
    store.write("x", contents[0])
    enough = threading.Event()

    def write() -> None:
        for content in cycle(contents):
            store.write("x", content)
            if enough.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [store.read("x").content for _ in range(60)]
        while len(set(seen)) < len(contents):
            seen.append(store.read("x").content)
    finally:
        enough.set()
        writer.join()
    assert set(seen) == set(contents)


def test_a_large_file_goes_and_comes_back(store, url, generator):
    content = generator.integers(0, 256, 20_000_001, dtype=np.uint8).tobytes()
    path = put_here(store, "images/a.parquet", content)
    store.publish("images/a.parquet")
    assert store.size("images/a.parquet") == len(content)
    if url.startswith("s3"):
        path.unlink()
    fetched = store.fetch("images/a.parquet", len(content))
    assert fetched == path and fetched.read_bytes() == content


def test_publish_takes_the_place_of_what_is_there(store):
    for content in (b"1", b"22"):
        put_here(store, "a", content)
        store.publish("a")
        assert store.read("a").content == content


def test_move_may_be_repeated(store):
    put_here(store, ".work/attempts/1/x", b"new")
    store.publish(".work/attempts/1/x")
    store.write("images/x", b"old")
    assert store.move(".work/attempts/1/x", "images/x")
    assert store.read("images/x").content == b"new" and store.names("") == ["images/x"]
    assert (store.folder / "images/x").read_bytes() == b"new"
    assert not store.move(".work/attempts/1/x", "images/x")
    assert store.read("images/x").content == b"new"


def test_a_file_is_opened_and_read_in_pieces(store):
    content = bytes(range(256)) * 40
    put_here(store, "a.bin", content)
    store.publish("a.bin")
    with store.open("a.bin") as file:
        assert file.seekable() and file.read(3) == content[:3] and file.tell() == 3
        file.seek(-5, io.SEEK_END)
        assert file.read(100) == content[-5:] and file.read(1) == b""
        file.seek(10)
        file.seek(5, io.SEEK_CUR)
        assert file.read() == content[15:]
    with pytest.raises(InputError, match=r"there is no b\.bin"):
        store.open("b.bin")


def test_columns_of_an_opened_shard(store):
    table = pa.table({"small": list(range(300)), "large": ["x" * 500] * 300})
    (store.folder / "images").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, store.folder / "images/a.parquet", row_group_size=100)
    store.publish("images/a.parquet")
    with store.open("images/a.parquet") as file, pq.ParquetFile(file, pre_buffer=True) as parquet:
        assert parquet.read(columns=["small"])["small"].to_pylist() == list(range(300))
        assert parquet.read_row_group(2, columns=["large"]).num_rows == 100

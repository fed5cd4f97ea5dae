"""The requests of S3 that the arithmetic counts with, against a server that counts them."""

import threading
from collections import Counter

import httpx
import pytest
from werkzeug.serving import make_server

from benchmarks.simulated.arithmetic import FREE, PAGE, PIECE, READS, REQUESTS, WRITES
from dataset.storage.bucket import BucketStore
from tests.s3_server import environment

CLASSES = {"PUT": WRITES, "POST": WRITES, "GET": READS, "HEAD": READS, "DELETE": FREE}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A bucket at a server in this process, and what it was asked: a listing is a GET that costs as much as a PUT."""
    moto = pytest.importorskip("moto.moto_server.werkzeug_app")
    counts, backend = Counter(), moto.DomainDispatcherApplication(moto.create_backend_app)

    def counted(environ: dict, start_response: object) -> object:
        is_list = "list-type" in environ.get("QUERY_STRING", "")
        counts[WRITES if is_list else CLASSES[environ["REQUEST_METHOD"]]] += 1
        return backend(environ, start_response)

    class Quiet(moto.MotoRequestHandler):
        def log(self, *words: object) -> None:
            """Not a line for each request."""

    server = make_server("127.0.0.1", 0, counted, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    for name, value in (environment(endpoint) | {"XDG_CACHE_HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    httpx.put(f"{endpoint}/counted").raise_for_status()
    yield BucketStore("s3://counted/prefix", patience=5), counts
    server.shutdown()


def test_each_operation_takes_as_many_requests_as_the_arithmetic_says(asked):
    store, counts = asked
    tag = store.create("folder/there", b"1")
    for name in ("folder/large", "folder/small"):
        path = store.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (10 if name.endswith("small") else 2 * PIECE + 1))
    operations = {
        "read": lambda: store.read("folder/there"),
        "read (lost)": lambda: store.read("folder/nowhere"),
        "create": lambda: store.create("folder/new", b"1"),
        "create (lost)": lambda: store.create("folder/there", b"2"),
        "replace (lost)": lambda: store.replace("folder/there", b"2", '"other"'),
        "replace": lambda: store.replace("folder/there", b"2", tag),
        "write": lambda: store.write("folder/written", b"1"),
        "remove": lambda: store.remove("folder/written"),
        "names": lambda: store.names("folder/"),
        "size": lambda: store.size("folder/there"),
        "size (lost)": lambda: store.size("folder/nowhere"),
        "publish": lambda: store.publish("folder/small"),
        "move": lambda: store.move("folder/small", "folder/moved"),
        "move (lost)": lambda: store.move("folder/nowhere", "folder/moved"),
    }
    found = {}
    for name, operation in operations.items():
        counts.clear()
        operation()
        found[name] = dict(counts)
    assert found == REQUESTS
    counts.clear()
    store.publish("folder/large")
    assert counts == {WRITES: 3 + 2}, "its pieces, the begin and the end"


def test_a_listing_has_pages_of_a_thousand(asked):
    store, counts = asked
    for number in range(PAGE + 1):
        store.write(f"many/{number:04d}", b"")
    counts.clear()
    assert len(store.names("many/")) == PAGE + 1 and counts == {WRITES: 2}

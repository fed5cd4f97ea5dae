import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prefect
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import free_port

from dataset.errors import InputError
from flows.operation.connection import connect


@pytest.fixture
def server():
    """A server on loopback that answers everything with one status and text; gives its API's URL and the answer to set."""
    answer = {"status": 200, "text": json.dumps(prefect.__version__)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(answer["text"].encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=partial(running.serve_forever, 0.02), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/api", answer
        running.shutdown()


def refusal(api):
    with pytest.raises(InputError) as refused, connect(api):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_server_of_this_version_is_taken(server):
    api, _ = server
    with connect(api + "/") as client:
        assert str(client.api_url).rstrip("/") == api


def test_no_server_is_configured():
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert "no Prefect server is configured; start one with `render-ih server`" in refusal(None)


def test_an_address_that_is_none():
    assert "localhost:4200: is no address of a Prefect server; it looks like http://" in refusal("localhost:4200")


def test_nobody_answers():
    api = f"http://127.0.0.1:{free_port()}/api"
    said = refusal(api)
    assert f"{api}: no Prefect server answers (" in said
    assert "start one with `render-ih server`" in said


@pytest.mark.parametrize(
    ("status", "text", "sentence"),
    [
        (401, '{"detail": "Unauthorized"}', "the server refuses the key; set PREFECT_API_AUTH_STRING"),
        (403, "", "the server refuses the key"),
        (404, "Not Found", "the server has no /api/admin/version; the address of a Prefect server ends in /api"),
        (200, "<html></html>", "what answers is no Prefect server; its address ends in /api"),
        (200, "{}", "what answers is no Prefect server"),
        (200, '"3.7.4"', f"the server runs Prefect 3.7.4 and this is {prefect.__version__}; install the same minor"),
        (500, '{"detail": "out of\\n order"}', "the server refused /api/admin/version (500): out of order"),
    ],
)
def test_a_server_that_cannot_be_used(status, text, sentence, server):
    api, answer = server
    answer |= {"status": status, "text": text}
    said = refusal(api)
    assert said.startswith(api)
    assert sentence in said


def test_another_patch_of_the_same_minor_version_will_do(server):
    api, answer = server
    answer["text"] = json.dumps(".".join(prefect.__version__.split(".")[:2]) + ".999")
    with connect(api):
        pass

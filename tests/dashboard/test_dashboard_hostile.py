"""Hostile addresses, queries and forms, and secrets: sentences, never files or faults."""

import http.client
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.dashboard.serving import desk_of, served
from tests.dashboard.visitor import MARK, SECRET, Visitor, asked_by, real_values

PLANTED = {"secret.txt": SECRET, "secret.json": json.dumps({"value": SECRET}), "secret.jsonl": f'{{"{SECRET}": 1}}\n'}
PATHS = (
    "..", ".", "../secret.txt", "../../secret.txt", "..\\secret.txt", "....//secret.txt", "%2e%2e%2fsecret.txt", "/etc/passwd",
    "//etc/passwd", "file:///etc/passwd", "finished/../secret.txt", "\0", "a\0b", "secret.txt\0.jpg",
)  # fmt: skip
WORDS = (
    "\r\nSet-Cookie: a=b", "x" * 5000, "'", '"', "' OR 1=1 --", "'; DROP TABLE samples; --", "\\", "%", "$1", "{{ 7 * 7 }}",
    MARK, f'"><img src=x onerror=alert(1)>{MARK}', "javascript:alert(1)", "\u202e\u2028\ufffe", "👐" * 50, "[]", "null", "",
)  # fmt: skip
NUMBERS = ("-1", "0", "1e999", "NaN", "9" * 30, "9" * 5000, "1,2,,3", "0x10", "٣")
HOSTILE = (*PATHS, *WORDS, *NUMBERS)
FORM = "application/x-www-form-urlencoded"
BODIES = (
    (b"\xff\xfe\0", FORM), (b"[[[", "application/json"), (b"", "text/x"), (b"a=" + b"b" * 3_000_000, FORM), (b"&" * 9999, FORM),
    (b"--x\r\n", "multipart/form-data; boundary=x"), (b"a=%ff%fe&b=%00", FORM), (b"a", "multipart/form-data"),
)  # fmt: skip
ABSENT = {"/training/{name}/pictures/{step}/{file}", "/runs/{name}/diversity/map.json", "/runs/{name}/diversity/pose"}
"""The only picture of the training is a link out of its folder; a map is computed later, and a pose wants to be named."""


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory) -> Path:
    """A folder with a dataset, a training with links out of it, pictures, and secrets in, beside and above them all."""
    outside = tmp_path_factory.mktemp("hostile")
    folder = outside / "watched"
    shutil.copytree(finished, folder / "finished")
    training = folder / "training"
    (training / "pictures/00000002").mkdir(parents=True)
    (training / "metrics.jsonl").write_text('{"step": 2, "loss": 0.5}\n')
    (training / "training.log").symlink_to(outside / "secret.txt")
    (training / "pictures/00000002/a.png").symlink_to(outside / "secret.txt")
    (folder / "drawn").mkdir()
    Image.new("RGB", (64, 64)).save(folder / "drawn/a.png")
    for name, content in PLANTED.items():
        for where in (outside, folder, folder / "finished", training):
            (where / name).write_text(content)
    return folder


@pytest.fixture
def visitor(place, desk_there) -> Iterator[Visitor]:
    """Each test tells its own faults, all at once."""
    made = Visitor(desk_there)
    yield made
    assert not made.faults, "\n".join(f"{fault}\n    {told}" for fault, told in made.faults.items())


@pytest.fixture(scope="module")
def desk_there(place, tmp_path_factory):
    with desk_of(place, ratings=tmp_path_factory.mktemp("ratings")) as desk:
        make_study(Visitor(desk))
        yield desk


def make_study(visitor: Visitor) -> None:
    """By the app's own form."""
    page = visitor.client.get("/rating/new").text
    source = re.search(r'<option value="([^"]*finished[^"]*)"', page)[1]
    fields = {"name": "one", "kind": "naturalness", "sets": "2", "items": "2", "set_1": "ours", "source_1": source}
    answer = visitor.client.post("/rating/new", data=fields)
    assert answer.status_code == 303, answer.text


def test_addresses_and_things_are_found(visitor):
    """Else nothing below asks for anything."""
    assert {"/", "/runs/{name}", "/metrics", "/healthz", "/version"} <= {one.pattern for one in visitor.addresses}
    for one in visitor.addresses:
        assert visitor.values.keys() >= set(one.parameters), one.pattern


def test_every_page_answers(visitor):
    for one in visitor.pages:
        visitor.get(one)
        is_there = one.pattern not in ABSENT
        assert visitor.status in ((200, 303, 307) if is_there else (200, 404, 422)), one.pattern


def test_hostile_names_of_things(visitor):
    for one in visitor.addresses:
        for parameter in one.parameters:
            for value in HOSTILE:
                visitor.get(one, {parameter: value})


def test_hostile_queries(visitor):
    pages = {one: asked_by(visitor.get(one)) for one in visitor.pages}
    everywhere = set().union(*pages.values())
    assert everywhere, "no page has a link with a query, or a form"
    for one, own in pages.items():
        for value in (*WORDS, *NUMBERS):
            keys = everywhere if len(value) < 1000 else sorted(everywhere)[:5]
            visitor.get(one, **dict.fromkeys(keys, value))
        for key in own:
            for value in ("../secret.txt", f"'\"{MARK}", "\0", "-1", "9" * 30):
                visitor.get(one, **{key: value})


def test_hostile_forms(visitor, place):
    for one in visitor.addresses:
        if "POST" in one.methods:
            fields = asked_by(visitor.get(one)) | {"name", "kind", "sets", "source", "rater", "answer", "question"}
            for value in HOSTILE:
                visitor.post(one, data=dict.fromkeys(fields, value))
            for content, kind in BODIES:
                visitor.post(one, content=content, headers={"content-type": kind})
    outside = {path.name for path in place.parent.iterdir()}
    assert outside == {"watched", *PLANTED}, "a form has written beside the datasets"
    assert {path.name for path in place.iterdir()} == {"finished", "training", "drawn", *PLANTED}


RAW = (
    "/static/../../secret.txt", "/static/..%2f..%2fsecret.txt", "/static/%2e%2e/%2e%2e/secret.txt", "/static//etc/passwd",
    "/style/../../../etc/passwd", "//etc/passwd", "/runs/../../secret.txt", "/runs/finished/../../../secret.txt", "/%00",
    "/static/%00", "/runs/finished/samples/..%2f..%2f..%2fsecret.txt", "/runs/%ff%fe", "/runs/finished?%ff=%fe",
    "/training/training/pictures/2/..%2f..%2fsecret.txt", "/training/training/pictures/..%2f/metrics.jsonl",
    "/%2e%2e/etc/passwd", "/?" + "a=b&" * 3000,
)  # fmt: skip


def test_raw_addresses_that_no_client_would_send(place):
    with served(place) as (address, _):
        for target in RAW:
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
            connection.putrequest("GET", target, skip_accept_encoding=True)
            connection.endheaders()
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            assert answer.status < 500, target
            assert SECRET.encode() not in content and b"root:x:" not in content, target


KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAPLANTEDKEY",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-key",
    "AWS_SESSION_TOKEN": "planted-session",
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://planted-user:planted-password@127.0.0.1:1",
    "PREFECT_API_AUTH_STRING": "planted-name:planted-word",
    "RENDER_IH_DASHBOARD_TOKEN": "planted-token-0123456789",
}
PLACES = (
    "s3://PLANTEDKEY:planted-in-url@bucket/x?X-Amz-Signature=planted-signature",
    "s3://bucket/x?X-Amz-Signature=planted-signature",
    "s3:/PLANTEDKEY:planted-in-url@bucket/x",
    "s3://bucket/prefix",
)


def test_secrets_are_told_nowhere(monkeypatch, caplog, capfd, finished):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dashboard.catalogue._PATIENCE", 0.1)  # nobody answers there
    caplog.set_level(logging.INFO)
    with desk_of(*PLACES, finished) as desk:
        assert len(desk.catalogue.runs) + len(desk.catalogue.troubles) > 1
        visitor = Visitor(desk)
        told = [visitor.get(one, {"runs.name": run}) for one in visitor.pages for run in desk.catalogue.runs]
        told += [visitor.client.get("/runs/none").text, repr(desk.catalogue.troubles), repr(real_values(desk))]
    told += [caplog.text, *capfd.readouterr()]
    for text in told:
        found = text.lower().find("planted")
        assert found < 0, text[max(found - 200, 0) : found + 200]

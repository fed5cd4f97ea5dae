"""The page of one sample, and its hands in space."""

import json
import re
import shutil
from html import unescape
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from dashboard.pages.sample import _flat
from dashboard.pictures.cells import PICTURES
from dataset.rows import joints_3d
from dataset.viewer.page import page as viewer_page
from dataset.viewer.table import fields
from tests.dashboard.serving import client_of, desk_of
from tests.dataset.synthetic import write_dataset

SAMPLE = "/runs/finished/samples/000004-0"


def link(page: str, pattern: str) -> str:
    return unescape(re.search(pattern, page)[1])


def contained(page: str) -> dict:
    """What the viewer's page holds as values."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


@pytest.fixture(scope="module")
def twins(shown_samples, tmp_path_factory):
    """Three samples of which two show the same pose, in different files; no picture can be decoded in the third."""
    first, second, third = shown_samples[0], shown_samples[1], shown_samples[2]
    same = {"sample_id": "000000-1", "pose_id": "000000"}
    twin = first | {"images": first["images"] | same, "plan": first["plan"] | same}
    bare = third["images"] | {name: {"bytes": b"", "path": "none"} for name in PICTURES if name != "normals"}
    samples = [first, second, twin, third | {"images": bare}]
    return write_dataset(tmp_path_factory.mktemp("twins") / "twins", samples, rows_per_shard=2).folder


@pytest.fixture(scope="module")
def twins_desk(twins):
    with desk_of(twins) as desk:
        yield desk


@pytest.fixture(scope="module")
def twins_client(twins_desk):
    return client_of(twins_desk)


def test_all_that_is_known_stands_on_the_page(client, shown_samples):
    row, page = shown_samples[4]["images"], unescape(client.get(SAMPLE).text)
    for title, value in fields(row):
        if title not in ("configuration", "program"):  # the fixture writes the run's own
            assert f"<dt>{title}</dt><dd>{value}</dd>" in page
    for name in ("right.betas", "camera.K", "render.seed", "provenance.code_version", "interaction.contact_vertices"):
        assert f">{name}</th>" in page
    assert "All 52 columns" in page


def test_long_columns_show_their_beginning():
    row = {"a": {"b": [1.0, 2.5, 1 / 3, 4.0, 5.0], "c": "x"}, "d": [], "e": None, "f": 12}
    expected = [("a.b", "1, 2.5, 0.333333, 4, … (5 numbers)"), ("a.c", "x"), ("d", "none"), ("e", ""), ("f", "12")]
    assert _flat(row) == expected


def test_neighbours_and_gallery_keep_filter_order_and_labels(client):
    page = client.get(f"{SAMPLE}?environment=forest&layers=joints").text
    assert "3 of 4 images, newest first, filtered" in page
    following = link(page, r'rel="next" href="([^"]*)"')
    assert following.startswith("/runs/finished/samples/000001-0?")
    assert parse_qs(urlsplit(following).query) == {"environment": ["forest"], "layers": ["joints"]}
    assert link(page, r'rel="prev" href="([^"]*)"').startswith("/runs/finished/samples/000007-0?")
    back = link(page, r'id="back" href="([^"]*)"')
    assert back == "/runs/finished/gallery?environment=forest&layers=joints#shot-000004-0"
    assert 'name="environment" value="forest"' in page and 'value="joints" checked' in page
    last = client.get(following).text
    assert 'rel="next"' not in last and "4 of 4" in last


def test_the_random_order_leads_through_all(client):
    walked, address = ["000004-0"], f"{SAMPLE}?order=random&seed=2"
    for towards in ("prev", "next"):
        page = client.get(address).text
        while f'rel="{towards}"' in page:
            at = link(page, rf'rel="{towards}" href="([^"]*)"')
            walked.append(urlsplit(at).path.rpartition("/")[2])
            page = client.get(at).text
    assert sorted(walked) == [f"{number:06d}-0" for number in range(12)]


def test_a_sample_outside_of_the_filters_says_so(client):
    assert "not among the 4 images of the filters" in client.get(f"{SAMPLE}?environment=studio").text


def test_other_views_of_the_pose_are_shown(twins_client):
    page = twins_client.get("/runs/twins/samples/000000-0").text
    assert re.findall(r'<a class="shot" id="shot-([^"]*)"', page) == ["000000-1"]
    gallery = twins_client.get(link(page, r'<a href="([^"]*)">In the gallery</a>')).text
    assert re.findall(r'<a class="shot" id="shot-([^"]*)"', gallery) == ["000000-1", "000000-0"]
    assert "Other views" not in twins_client.get("/runs/twins/samples/000001-0").text


def test_the_command_names_sample_and_place(client, finished):
    command = f"render-ih rerender 000004-0 --dataset {finished}"
    assert f'<pre id="command">{command}</pre>' in client.get(SAMPLE).text


@pytest.mark.parametrize("name", ["../../etc/passwd", "%2e%2e/%2e%2e", "x" * 5000, "' OR 1=1 --", "%00", "<script>"])
@pytest.mark.parametrize("page", ["", "/3d"])
def test_names_that_are_no_sample_get_a_sentence(client, name, page):
    answer = client.get(f"/runs/finished/samples/{name}{page}", headers={"Accept": "text/html"})
    assert answer.status_code == 404 and "<script>”" not in answer.text and "Traceback" not in answer.text
    assert client.get(f"/runs/none/samples/000004-0{page}").status_code == 404


def test_a_file_that_is_gone_leaves_the_rest_of_the_page(finished, tmp_path):
    folder = tmp_path / "holes"
    shutil.copytree(finished, folder)
    with desk_of(folder) as desk:
        (folder / "images" / "00001.parquet").unlink()
        answer = client_of(desk).get("/runs/holes/samples/000004-0")
        assert answer.status_code == 200 and "images/00001.parquet: is missing or was replaced" in answer.text
        assert 'rel="next"' in answer.text and "All 52 columns" not in answer.text
        turned = client_of(desk).get("/runs/holes/samples/000004-0/3d")
        assert turned.status_code == 503 and "is missing or was replaced" in turned.text


def test_hands_in_space_are_those_of_the_row(client, shown_samples):
    answer = client.get(f"{SAMPLE}/3d")
    shown = contained(answer.text)["samples"]
    assert answer.status_code == 200 and [sample["id"] for sample in shown] == ["000004-0"]
    for side in ("right", "left"):
        expected = joints_3d(shown_samples[4]["images"][side])
        assert np.abs(np.array(shown[0]["hands"][side]["camera"]) - expected).max() < 2e-5


def test_the_page_of_the_hands_runs_apart(client):
    headers = client.get(f"{SAMPLE}/3d").headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["sandbox"] == "allow-scripts" and policy["default-src"] == "'none'" and "connect-src" not in policy
    assert policy["frame-ancestors"] == "'self'" and headers["x-frame-options"] == "SAMEORIGIN"
    assert "sandbox" not in client.get(SAMPLE).headers["content-security-policy"]


def test_other_cameras_of_the_pose_stand_in_the_space(twins_client):
    shown = contained(twins_client.get("/runs/twins/samples/000000-0/3d").text)["samples"][0]
    assert [view["id"] for view in shown["views"]] == ["000000-1"]


def test_hands_of_a_row_without_pictures_can_be_turned(twins_client):
    answer = twins_client.get("/runs/twins/samples/000002-0/3d?theme=dark")
    assert answer.status_code == 200 and contained(answer.text)["samples"][0]["id"] == "000002-0"
    assert '<html lang="en" class="dark only-scene">' in answer.text


def test_themes_are_three_and_nothing_else_gets_into_the_page(twins_client):
    page = twins_client.get("/runs/twins/samples/000001-0/3d", params={"theme": '"><script>'}).text
    assert '<html lang="en" class="only-scene">' in page


def test_hands_that_are_not_here_get_a_sentence(twins_desk, monkeypatch):
    run = twins_desk.run("twins")
    (record,) = run.state.manifest.runs.values()
    monkeypatch.setitem(record.config["inputs"], "hands", {"right": "0" * 64, "left": "0" * 64})
    answer = client_of(twins_desk).get("/runs/twins/samples/000001-0/3d")
    assert answer.status_code == 503 and "made with another hand model" in answer.text
    assert "sandbox allow-scripts" in answer.headers["content-security-policy"]


def test_the_viewers_own_page_looks_views_up_itself(twins_desk, hands, shown_samples):
    text = viewer_page(twins_desk.run("twins").state.manifest, [shown_samples[0]["images"]], hands)
    assert [view["id"] for view in contained(text)["samples"][0]["views"]] == ["000000-1"]
    assert '<html lang="en" class="">' in text

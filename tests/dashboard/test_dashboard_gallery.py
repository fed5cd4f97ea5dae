"""The gallery: what its address asks for is what it shows, with and without scripts."""

import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import dashboard
from dashboard.pages import gallery
from dashboard.rows.listing import shown as plainly_shown
from dataset.inspection.overlay import FINGER_COLOURS, HAND_COLOURS
from dataset.manifest import Manifest
from tests.dashboard.serving import client_of, desk_of, look
from tests.dataset.synthetic import CONFIG, write_dataset

GALLERY = "/runs/finished/gallery"


def shots(page: str) -> list[str]:
    return re.findall(r'<a class="shot" id="shot-([^"]*)"', page)


def link(page: str, pattern: str) -> str:
    return unescape(re.search(pattern, page)[1])


def test_all_pictures_are_there_the_newest_first(client, shown_samples):
    page = client.get(GALLERY).text
    assert shots(page) == [sample["images"]["sample_id"] for sample in reversed(shown_samples)]
    assert "<b>1–12</b> of 12 images" in page and 'aria-disabled="true">Next' in page


def test_filters_of_the_address_choose_and_can_be_taken_away_one_by_one(client):
    page = client.get(f"{GALLERY}?environment=studio&contact=touching&layers=joints").text
    assert shots(page) == ["000009-0", "000006-0", "000003-0"]
    assert "<option selected>studio</option>" in page and 'value="touching" selected' in page
    less = link(page, r'<a class="chip" href="([^"]*)" title="Without this filter">environment studio')
    assert parse_qs(urlsplit(less).query) == {"contact": ["touching"], "layers": ["joints"]}
    assert len(shots(client.get(less).text)) == 11
    assert len(shots(client.get(link(page, r'<a class="chip plain" href="([^"]*)"')).text)) == 12


def test_nothing_found_is_said_and_leads_back(client):
    page = client.get(f"{GALLERY}?environment=nowhere").text
    assert "None of the 12 images is as the filters ask." in page and not shots(page)
    assert link(page, r'<a class="button" href="([^"]*)">Show all') == GALLERY
    assert "<option selected>nowhere</option>" in page


def test_pages_lead_on_and_back(client, monkeypatch):
    monkeypatch.setattr(gallery, "shown", lambda *asked: plainly_shown(*asked, most=5))
    first = client.get(f"{GALLERY}?order=random&seed=8&skin=skin-1&skin=&visible_from=0").text
    walked, page = shots(first), first
    assert len(walked) == 5
    while 'rel="next"' in page:
        page = client.get(link(page, r'rel="next" href="([^"]*)"')).text
        walked += shots(page)
    assert sorted(walked) == [f"{number:06d}-0" for number in range(12)]
    back = client.get(link(page, r'rel="prev" href="([^"]*)"')).text
    assert shots(back) == walked[5:10]


def test_shuffling_gives_another_order_that_stays(client):
    page = client.get(f"{GALLERY}?order=random&seed=1&layers=hands").text
    other = link(page, r'<a class="button" href="([^"]*)">Shuffle')
    assert parse_qs(urlsplit(other).query) == {"order": ["random"], "seed": ["2"], "layers": ["hands"]}
    assert shots(client.get(other).text) != shots(page) == shots(client.get(f"{GALLERY}?order=random&seed=1").text)


def test_layers_are_in_every_picture_and_every_link(client):
    page = client.get(f"{GALLERY}?layers=joints&layers=depth").text
    assert 'value="joints" checked' in page and 'value="depth" checked' in page and 'value="hands">' in page
    sources = re.findall(r'<img src="([^"]*)"', page)
    assert len(sources) == 12 and all("layers=depth,joints" in source for source in sources)
    assert all("layers=depth,joints" in href for href in re.findall(r'<a class="shot"[^>]*href="([^"]*)"', page))
    assert "hidden by the other hand" in page and "near to far" in page
    assert "hidden by" not in client.get(GALLERY).text
    assert client.get(unescape(sources[0])).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("text", ['"><script>alert(1)</script>', "' OR 1=1 --", "\x00", "x" * 4000, "%25%00", "☃"])
def test_hostile_addresses_find_nothing_and_write_nothing(client, text):
    names = ("find", "environment", "skin", "base_pose", "pose", "from", "before", "order", "seed", "layers", "contact")
    for name in names:
        answer = client.get(GALLERY, params={name: text})
        assert answer.status_code == 200 and "<script>alert" not in answer.text, name
    assert client.get("/runs/none/gallery").status_code == 404


def test_before_the_first_images_a_sentence_says_so(tmp_path, shown_samples):
    Manifest.open(tmp_path / "begun", CONFIG)
    with desk_of(tmp_path / "begun") as desk:
        answer = client_of(desk).get("/runs/begun/gallery")
        assert answer.status_code == 200 and "No images yet" in answer.text
        assert "as soon as the first file of images is finished" in answer.text


def test_pictures_that_arrive_come_first_and_those_of_lost_files_go(tmp_path, shown_samples):
    folder = write_dataset(tmp_path / "growing", shown_samples[:6]).folder
    more = write_dataset(tmp_path / "more", shown_samples).folder
    with desk_of(folder) as desk:
        client = client_of(desk)
        before = shots(client.get("/runs/growing/gallery").text)
        assert len(before) == 6
        for table in ("poses", "plan", "images", "rejected"):
            shutil.copytree(more / table, folder / table, dirs_exist_ok=True)
        shutil.copy(more / "manifest.json", folder / "manifest.json")
        look(desk)
        assert shots(client.get("/runs/growing/gallery").text)[6:] == before
        manifest = Manifest.read(folder)
        del manifest.shards["images"]["00000"]
        manifest.replace()
        look(desk)
        assert len(shots(client.get("/runs/growing/gallery").text)) == 9


def test_the_legend_has_the_colours_of_the_pictures():
    text = (Path(dashboard.__file__).parent / "static" / "gallery.css").read_text()
    for name, colour in FINGER_COLOURS.items():
        assert f".mark.{name} {{ --c: rgb({' '.join(map(str, colour))}); }}" in text
    for side, colour in HAND_COLOURS.items():
        assert f".mark.{side}-hand {{ --c: rgb({' '.join(map(str, colour))}); }}" in text

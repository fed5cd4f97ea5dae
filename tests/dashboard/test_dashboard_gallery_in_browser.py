"""Gallery and sample page in a real Chromium: labels, filters, keys, pictures that arrive, hands in space."""

import shutil

import pytest

from dashboard.desk import Desk
from tests.dashboard.serving import served, wait_until
from tests.dataset.synthetic import write_dataset

pytest.importorskip("websockets", reason="speaks to the browser over a websocket")

from tests.browser import Tab, browser, chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (apt-get install chromium)")

COUNT = "document.querySelectorAll('#grid .shot').length"
FIRST = "document.querySelector('#grid .shot').id"


def rows_of(desk: Desk, run: str) -> int:
    """Images that the dashboard knows by now."""
    return len(desk.index(desk.run(run)).ask("FROM samples")) if run in desk.catalogue.runs else 0


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Tab:
    with browser(chromium(), tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(finished, tab) -> str:
    with served(finished) as (where, desk):
        wait_until(lambda: rows_of(desk, "finished") == 12)
        tab.allowed = where
        yield f"{where}/runs/finished"


def test_labels_and_filters_apply_without_loading_the_page(tab, address):
    tab.visit(f"{address}/gallery")
    tab.value("window.stays = true")
    assert tab.value(COUNT) == 12
    tab.click("[value=joints]")
    tab.wait("[...document.querySelectorAll('#grid img')].every(img => img.src.includes('layers=joints'))")
    assert tab.value("location.search") == "?layers=joints" and tab.value("window.stays")
    tab.value("document.querySelector('[name=environment]').value = 'forest'")
    tab.value("document.querySelector('[name=environment]').dispatchEvent(new Event('change', {bubbles: true}))")
    tab.wait(f"{COUNT} === 4")
    assert tab.value("location.search") == "?environment=forest&layers=joints" and tab.value("window.stays")
    tab.value("document.querySelector('#grid .shot').focus()")
    tab.key("ArrowRight")
    assert tab.value("document.activeElement.id") == "shot-000007-0"
    tab.value("history.back()")
    tab.wait(f"!window.stays && document.readyState === 'complete' && {COUNT} === 12")
    assert tab.complaints == []


def test_keys_lead_to_the_neighbours_and_back_to_the_gallery(tab, address):
    tab.visit(f"{address}/samples/000004-0?layers=hands")
    tab.key("ArrowRight")
    tab.wait("location.pathname.endsWith('000003-0') && document.readyState === 'complete'")
    tab.key("ArrowLeft")
    tab.wait("location.pathname.endsWith('000004-0') && document.readyState === 'complete'")
    tab.click("[value=depth]")
    tab.wait("document.querySelector('#large').src.includes('layers=depth,hands')")
    tab.wait("document.querySelector('#large').complete && document.querySelector('#large').naturalWidth > 0")
    tab.key("Escape")
    tab.wait("location.pathname.endsWith('/gallery') && document.readyState === 'complete'")
    assert tab.value("location.search") == "?layers=depth,hands" and tab.value("location.hash") == "#shot-000004-0"
    assert tab.complaints == []


def test_hands_in_space_are_drawn_in_their_frame(tab, address):
    """The frame is of an origin of its own, so its page is opened alone: what it holds is drawn under its own policy."""
    tab.visit(f"{address}/samples/000004-0")
    tab.wait("document.querySelector('#space').src.endsWith('/3d')")
    tab.wait("document.querySelector('#space').contentDocument === null")
    tab.visit(f"{address}/samples/000004-0/3d", width=640, height=480)
    tab.wait("document.querySelectorAll('#fields div').length > 0")
    tab.settle()
    covered = """(canvas => {
      const copy = new OffscreenCanvas(64, 64).getContext("2d");
      copy.drawImage(canvas, 0, 0, 64, 64);
      return copy.getImageData(0, 0, 64, 64).data.filter((_, i) => i % 4 === 3 && _ > 200).length;
    })(document.querySelector("#scene"))"""
    assert tab.value(covered) > 100
    assert tab.value("getComputedStyle(document.querySelector('header')).display") == "none"
    assert tab.complaints == []


@pytest.mark.parametrize("page", ["gallery?visible_from=1&layers=joints", "samples/000004-0"])
def test_narrow_and_wide_pages_fit_their_windows(tab, address, page):
    for width in (420, 1280, 2560):
        tab.visit(f"{address}/{page}", width=width)
        assert tab.value("document.documentElement.scrollWidth") <= width


def test_new_pictures_come_in_front_unless_somebody_looks_at_the_old_ones(tab, shown_samples, tmp_path):
    folder = write_dataset(tmp_path / "growing", shown_samples[:6]).folder
    more = write_dataset(tmp_path / "more", shown_samples[:9]).folder
    whole = write_dataset(tmp_path / "whole", shown_samples).folder

    def grow(source) -> None:
        for table in ("poses", "plan", "images", "rejected"):
            shutil.copytree(source / table, folder / table, dirs_exist_ok=True)
        shutil.copy(source / "manifest.json", folder / "manifest.json")

    with served(folder) as (where, desk):
        wait_until(lambda: rows_of(desk, "growing") == 6)
        tab.visit("data:text/html,nothing")
        tab.complaints.clear()
        tab.allowed = where
        tab.visit(f"{where}/runs/growing/gallery", height=500)
        tab.mouse(3, 3)
        kept = tab.value(f"window.old = document.querySelector('#grid .shot'), {FIRST}")
        grow(more)
        tab.wait(f"{COUNT} === 9")
        assert tab.value("document.getElementById(window.old.id) === window.old"), (
            "pictures that stay are not made anew"
        )
        assert tab.value(FIRST) != kept and tab.value("document.querySelector('#fresh').hidden")
        seen = tab.value(f"document.querySelector('#grid .shot').focus(), {FIRST}")
        grow(whole)
        tab.wait("!document.querySelector('#fresh').hidden")
        assert tab.value(COUNT) == 9 and tab.value(FIRST) == seen
        assert tab.value("document.querySelector('#told p').textContent").endswith("12 images")
        tab.click("#fresh")
        tab.wait(f"{COUNT} === 12 && document.querySelector('#fresh').hidden")
        assert tab.complaints == []

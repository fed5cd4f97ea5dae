"""The dashboard in a real Chromium over a dataset that is being made: numbers advance, a killed worker turns red, and so on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.dashboard.producer import prepare
from tests.dashboard.serving import served

pytest.importorskip("websockets", reason="speaks to the browser over a websocket")

from tests.browser import Tab, browser, chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (apt-get install chromium)")
ROOT = Path(__file__).parents[2]
IMAGES = "Number(document.querySelector('#figures .tile b').textContent.replace(/\\D/g, ''))"
ROWS = "[...document.querySelectorAll('#workers tr')].map(row => row.className + ' ' + (row.querySelector('b')?.title ?? ''))"
CHECKS = (Path(__file__).parent / "page_checks.js").read_text()


def check(call: str) -> str:
    """One of the functions of page_checks.js, as an expression."""
    return f"{CHECKS.rstrip().rstrip(';')}.{call}"


def go(tab: Tab, selector: str) -> None:
    """Click what leads to another page; the answer must not be lost with this one."""
    tab.value(f"void setTimeout(() => document.querySelector({selector!r}).click())")


def worker(folder: Path, name: str, seconds: float = 0.8) -> subprocess.Popen:
    """A process that makes shards of the run."""
    line = [sys.executable, "-m", "tests.dashboard.producer", str(folder), name, str(seconds)]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[tuple[Path, dict[str, subprocess.Popen]]]:
    """A run that two workers are at."""
    folder = tmp_path_factory.mktemp("live") / "hands"
    prepare(folder)
    workers = {name: worker(folder, name) for name in ("anna", "ben")}
    yield folder, workers
    for process in workers.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def address(made, tmp_path_factory) -> Iterator[str]:
    with served(made[0], ratings=tmp_path_factory.mktemp("ratings"), refresh_seconds=0.5) as (url, _):
        yield url


@pytest.fixture(scope="module")
def tab(address, tmp_path_factory) -> Iterator[Tab]:
    with browser(chromium(), tmp_path_factory.mktemp("profile")) as opened:
        opened.allowed = address
        yield opened


@pytest.fixture(autouse=True)
def no_complaint(tab):
    """Nothing was thrown, refused by the policy, or asked of another machine."""
    tab.complaints.clear()
    yield
    assert not tab.complaints


def test_numbers_advance_while_the_page_is_open(tab, address):
    tab.visit(f"{address}/runs/hands")
    tab.wait(f"{IMAGES} >= 2", 60)
    tab.value("window.mark = document.querySelector('#figures')")
    before = tab.value(IMAGES)
    tab.wait(f"{IMAGES} >= {before + 4}", 60)
    assert tab.value("window.mark === document.querySelector('#figures')"), "the page was not loaded anew"
    assert "Rendering" in tab.value("document.querySelector('#headline').textContent")


def test_nothing_jumps_when_numbers_change(tab, address):
    tab.visit(f"{address}/runs/hands")
    tab.wait("document.querySelectorAll('#newest img').length > 0", 60)
    quiet = "document.querySelector('#notices').children.length === 0"
    tab.wait(quiet, 60)  # a notice, that rows are being read, moves what is below it
    places = check("places(['headline', 'figures', 'stages', 'about'])")
    before, images = tab.value(places), tab.value(IMAGES)
    tab.wait(f"{IMAGES} >= {images + 4} && {quiet}", 60)
    assert tab.value(places) == before


def test_a_killed_worker_turns_red_and_its_shard_goes_on(tab, address, made):
    _, workers = made
    tab.visit(f"{address}/runs/hands/workers")
    tab.wait(f"{ROWS}.filter(row => row.startsWith('working')).length === 2", 60)
    os.kill(workers["ben"].pid, signal.SIGKILL)
    tab.wait(f"{ROWS}.some(row => row === 'silent ben') && {ROWS}.some(row => row === 'working anna')", 30)
    colour = "getComputedStyle(document.querySelector('tr.silent .light')).backgroundColor"
    red, green, blue = map(int, tab.value(colour).removeprefix("rgb(").rstrip(")").split(","))
    assert red > 150 and green < 130 and blue < 130
    tab.visit(f"{address}/runs/hands")
    tab.wait("document.querySelector('#notices').textContent.includes('ben')")


def test_filters_change_what_is_shown(tab, address):
    tab.visit(f"{address}/runs/hands/gallery")
    tab.wait("document.querySelectorAll('#grid img').length > 3", 60)
    chosen = tab.value("document.querySelector('select[name=environment]').options[1].value")
    tab.value(
        "(select => { select.selectedIndex = 1; select.dispatchEvent(new Event('change', {bubbles: true})) })"
        "(document.querySelector('select[name=environment]'))"
    )
    tab.wait(f"location.search.includes('environment={chosen}') && document.querySelectorAll('#grid img').length > 0")
    tab.wait(f"document.querySelector('#told').textContent.includes('{chosen}')")
    texts = tab.value("[...document.querySelectorAll('#grid > *')].map(card => card.textContent)")
    assert texts and all(chosen in text for text in texts)


def test_pictures_with_and_without_joints(tab, address):
    tab.visit(f"{address}/runs/hands/gallery")
    first = "document.querySelector('#grid img')"
    tab.wait(f"{first}?.complete && {first}.naturalWidth > 0", 60)
    before = tab.value(f"{first}.currentSrc")
    tab.click("input[value=joints]")
    tab.wait(f"{first}.currentSrc !== '{before}' && {first}.complete && {first}.naturalWidth > 0")


def test_a_sample_opens_with_both_hands_in_space(tab, address):
    tab.visit(f"{address}/runs/hands/gallery")
    tab.wait("document.querySelectorAll('#grid a').length > 0", 60)
    go(tab, "#grid a")
    tab.wait("location.pathname.includes('/samples/') && document.querySelector('iframe#space')?.src", 60)
    answer = "fetch(document.querySelector('iframe#space').src).then(answer => answer.text())"
    page = tab.value(answer)
    assert '"vertices"' in page and "three" in page
    assert tab.value("document.querySelector('#command').textContent").startswith("render-ih rerender ")


def test_a_rating_is_stored(tab, address, tmp_path_factory):
    tab.visit(f"{address}/rating/new")
    fill = {"name": "are-they", "set_1": "ours", "source_1": None, "items": "3"}
    tab.click("#naturalness")
    for name, value in fill.items():
        chosen = "element.selectedIndex = 1" if value is None else f"element.value = '{value}'"
        tab.value(f"(element => {{ {chosen} }})(document.querySelector('[name={name}]'))")
    go(tab, "form.making button.first:last-of-type")
    tab.wait("location.pathname.startsWith('/rating/are-they')", 60)
    tab.visit(f"{address}/rating/are-they")
    tab.wait("document.querySelector('form') !== null")
    tab.value("(field => { if (field) field.value = 'anna' })(document.querySelector('[name=rater]'))")
    go(tab, "form button")
    tab.wait("document.querySelectorAll('form.answers button').length === 2")
    assert "ours" not in tab.value("document.documentElement.outerHTML")
    answers = next(path for path in tmp_path_factory.getbasetemp().glob("ratings*/are-they")) / "answers"
    tab.call("Input.dispatchKeyEvent", type="keyDown", key="y")  # leads to the next question
    tab.wait("document.body?.textContent.includes('1 of 3')")
    assert pq.read_table(answers / "anna.parquet").num_rows == 1


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    "page", ["/runs/hands", "/runs/hands/workers", "/runs/hands/gallery", "/runs/hands/quality", "/runs/hands/diversity",
             "/training", "/rating", "/runs/none"]
)  # fmt: skip
def test_every_page_can_be_read_in_both_themes(tab, address, page, dark):
    """Text stands out from what is behind it, wherever text stands."""
    tab.visit(address + page, dark=dark)
    tab.complaints = [one for one in tab.complaints if "404" not in one or page != "/runs/none"]
    assert tab.value("getComputedStyle(document.documentElement).colorScheme").strip() in (
        "light dark",
        "normal light dark",
    )
    assert tab.value(check("faintTexts(3.4)")) == []


@pytest.mark.parametrize("page", ["/runs/hands", "/runs/hands/workers", "/runs/hands/gallery", "/training", "/rating"])
def test_no_page_is_wider_than_a_telephone(tab, address, page):
    tab.visit(address + page, width=420)
    assert tab.value("document.documentElement.scrollWidth") <= 420


def test_every_control_is_reached_by_keys(tab, address):
    tab.visit(f"{address}/runs/hands/gallery")
    assert tab.value(check("lostControls()")) == []

"""A study in the browser's eyes: blind, resumable, corrected, and safe with whatever is sent."""

import io
import re
import threading
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from dashboard.rating.making import Plan, make_study
from dashboard.rating.sets import Choice
from dashboard.rating.studies import Studies
from tests.dashboard.serving import client_of, desk_of

SETS = (
    Choice("secret-bases", "run", "finished", poses="base"),
    Choice("secret-copies", "run", "finished", poses="augmented"),
)


@pytest.fixture
def desk(finished, tmp_path):
    with desk_of(finished, ratings=tmp_path / "ratings") as opened:
        yield opened


@pytest.fixture
def client(desk) -> TestClient:
    return client_of(desk)


def made(desk, kind: str = "naturalness", **more):
    return make_study(desk, Plan("one", kind, SETS, items=3, **more))


def rows_of(desk, rater: str) -> list[dict]:
    return Studies(desk.ratings).open("one").answers.of(rater)


def started(client: TestClient, rater: str = "anna") -> str:
    """The address of the question that a rater is led to."""
    client.post("/rating/one", data={"rater": rater})
    return client.get("/rating/one/rate").headers["location"]


def answered(client: TestClient, address: str, said: str, rater: str = "anna", **more: str) -> str:
    """Answer a question; the address of the next one."""
    form = {"item": address.partition("item=")[2], "answer": said, "rater": rater} | more
    answer = client.post("/rating/one/rate", data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


FORM = {"kind": "naturalness", "name": "mine", "set_1": "bases", "source_1": "run finished", "poses_1": "base"}


def test_a_study_is_made_by_the_form(client, desk):
    assert "run finished" in client.get("/rating/new").text
    answer = client.post("/rating/new", data=FORM | {"items": "2", "question": " Is  it <b>real</b>? "})
    assert answer.status_code == 303 and answer.headers["location"] == "/rating/mine/results"
    study = Studies(desk.ratings).open("mine").study
    assert study.question == "Is it <b>real</b>?" and len(study.items) == 2
    assert "&lt;b&gt;real" in client.get("/rating/mine").text and "<b>real" not in client.get("/rating/mine").text
    listed = client.get("/rating").text
    assert "mine" in listed and "/rating/mine/results" in listed and "bases" not in listed


def test_more_sets_keep_what_was_typed(client):
    page = client.get("/rating/new?kind=preference&set_1=kept&sets=4&sets=8").text
    assert 'value="kept"' in page and 'name="set_8"' in page and 'name="set_9"' not in page
    assert re.search(r'id="preference"[^>]* checked', page)
    for sets in ("x", "-1", "99999"):
        assert 'name="set_1"' in client.get(f"/rating/new?sets={sets}").text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "../x"}, "“../x”"),
        ({"name": "<i>"}, "“&lt;i&gt;”"),
        ({"kind": "other"}, "which kind"),
        ({"items": "ten"}, "“ten” is not a whole number"),
        ({"items": "9999999999999"}, "is not a whole number"),
        ({"set_1": "=HYPERLINK(1)"}, "begins with a letter"),
        ({"set_1": ""}, "needs a name"),
        ({"source_1": "file /etc"}, "from the lists"),
        ({"poses_1": "x' OR 1"}, "from the lists"),
        ({"source_1": "run nothing"}, "there is no run"),
        ({"question": "x" * 300}, "in 200 at most"),
    ],
)
def test_a_form_that_cannot_be_carried_out_comes_back_with_a_sentence(client, desk, change, why):
    answer = client.post("/rating/new", data=FORM | {"items": "2", "set_2": "kept-as-typed"} | change)
    assert answer.status_code == 422 and why in answer.text and 'value="kept-as-typed"' in answer.text
    assert not desk.ratings.exists()


def test_forms_that_no_page_sends_are_refused(client):
    assert client.post("/rating/new", content=b"a" * 70000).status_code == 413
    assert client.post("/rating/new", content=b"name=\xff\xfe").status_code == 400
    assert client.post("/rating/new", data=FORM, headers={"Origin": "http://evil.example"}).status_code == 403


_OWN_HEADERS = ("location", "set-cookie", "etag", "cache-control", "content-disposition", "last-modified")


@pytest.mark.parametrize("kind", ["naturalness", "preference"])
def test_nothing_that_a_rater_gets_tells_of_sets(client, desk, kind):
    study = made(desk, kind)
    secrets = {"secret-bases", "secret-copies", "finished", "augment", str(desk.ratings)}
    secrets |= {picture.sample for picture in study.pictures} | {p.base_pose for p in study.pictures}
    said = study.about.answers[0]
    answers = [client.get("/rating/one"), client.post("/rating/one", data={"rater": "anna"})]
    address = client.get("/rating/one/rate").headers["location"]
    sizes, kinds = set(), set()
    while "item=" in address:
        answers.append(client.get(address))
        for picture in re.findall(r'src="(/rating/[^"]+)"', answers[-1].text):
            file = client.get(picture)
            kinds.add(
                (tuple(sorted(name for name in file.headers if name != "content-length")), file.headers["content-type"])
            )
            sizes.add(size_of(file.content))
        address = answered(client, address, said)
    answers.append(client.get(address))
    for answer in answers:
        text = " ".join((answer.text, str(answer.url), *(answer.headers.get(name, "") for name in _OWN_HEADERS)))
        assert not [secret for secret in secrets if secret in text]
    assert len(answers) == 3 + len(study.items) and "Thank you" in answers[-1].text
    assert sizes == {(256, 192)} and len(kinds) == 1


def size_of(content: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(content)).size


def test_a_rater_goes_on_in_another_browser(client, desk):
    made(desk)
    address = answered(client, started(client), "natural", seconds="1.25")
    elsewhere = client_of(desk)
    assert started(elsewhere) == address
    assert 'value="1"' in elsewhere.get(address).text and "1 of 6" in elsewhere.get(address).text
    assert "Go on as anna" in elsewhere.get("/rating/one").text
    assert [row["seconds"] for row in rows_of(desk, "anna")] == [1.25]
    assert rows_of(desk, "bob") == []


def test_an_answer_can_be_corrected(client, desk):
    made(desk)
    first = started(client)
    second = answered(client, first, "natural")
    assert f'href="{first}"' in client.get(second).text
    page = client.get(first).text
    assert re.search(r'value="natural"[^>]*aria-pressed="true"', page) and "another answer replaces it" in page
    assert answered(client, first, "not_natural") == second
    assert [row["answer"] for row in rows_of(desk, "anna")] == ["natural", "not_natural"]
    assert "1 of 6" in client.get(second).text


def test_two_tabs_and_a_double_click_lose_nothing(client, desk):
    study = made(desk)
    started(client)
    items = [item.id for item in study.items]
    threads = [
        threading.Thread(target=answered, args=(client, f"?item={item}", said))
        for item in items
        for said in ("natural", "not_natural")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = rows_of(desk, "anna")
    assert len(rows) == 2 * len(items) and {row["item"] for row in rows} == set(items)


def test_a_tab_of_another_name_answers_for_nobody(client, desk):
    made(desk, "preference")
    address = started(client, "anna")
    client.post("/rating/one", data={"rater": "bob"})
    assert answered(client, address, "left", "anna") == "/rating/one"
    assert rows_of(desk, "anna") == rows_of(desk, "bob") == []


def test_without_a_name_one_is_given(client, desk):
    made(desk)
    answer = client.post("/rating/one", data={"rater": "  "})
    cookie = answer.headers["set-cookie"]
    assert re.search(r"render_ih_rater=guest-[0-9a-f]{6};", cookie) and "HttpOnly" in cookie
    client.post("/rating/one", data={"rater": " Anna "})
    assert client.cookies["render_ih_rater"] == "anna"


@pytest.mark.parametrize("name", ["../x", "a/b", "<script>", "ä", "x" * 41, "new", "-a", "a.parquet", "a\x00"])
def test_names_that_could_not_be_files_are_refused(client, desk, name):
    made(desk)
    answer = client.post("/rating/one", data={"rater": name})
    assert answer.status_code == 422 and "set-cookie" not in answer.headers and "<script>" not in answer.text
    client.cookies.set("render_ih_rater", name.encode("ascii", "ignore").decode().replace("\x00", "") or "-")
    assert client.get("/rating/one").status_code == 200
    assert not list(desk.ratings.rglob("*.parquet"))


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e", "%2e%2e%2fone", "<u>", "x" * 500, "one%00"])
def test_names_in_addresses_that_are_no_study(client, desk, name):
    made(desk)
    (desk.ratings.parent / "study.json").write_text("{}")
    for below in ("", "/rate", "/results", "/answers.csv"):
        answer = client.get(f"/rating/{name}{below}", headers={"Accept": "text/html"})
        assert answer.status_code in (404, 307) or answer.url.path in ("/", "/rating"), (answer.url, answer.status_code)
        assert "<u>" not in answer.text


@pytest.mark.parametrize("item", ["", "0" * 16, "../x"])
def test_answers_that_fit_no_question_are_refused(client, desk, item):
    study = made(desk)
    started(client)
    assert client.post("/rating/one/rate", data={"rater": "anna", "item": item, "answer": "natural"}).status_code == 400
    wrong = {"rater": "anna", "item": study.items[0].id, "answer": "left"}
    assert client.post("/rating/one/rate", data=wrong).status_code == 400
    assert client.get("/rating/one/rate", params={"item": item}).status_code == 303
    assert client.get("/rating/one/pictures/0000000000000000.jpg").status_code == 404
    assert rows_of(desk, "anna") == []


def test_seconds_that_make_no_sense_are_left_out(client, desk):
    made(desk)
    address = started(client)
    for seconds in ("nan", "-3", "inf", "x", "1e9"):
        answered(client, address, "natural", seconds=seconds)
    assert [row["seconds"] for row in rows_of(desk, "anna")] == [None, None, None, None, 3600]


def test_results_before_and_after_answers(client, desk):
    made(desk)
    page = client.get("/rating/one/results").text
    assert "nobody has begun" in page and "no answers yet" in page and "81.25 %" in page
    address = started(client)
    while "item=" in address:
        address = answered(client, address, "natural", seconds="2")
    page = client.get("/rating/one/results").text
    assert "secret-bases" in page and "100.0 %" in page and "43.9 to 100.0 %" in page and "6 of 6" in page
    assert pq.read_table(io.BytesIO(client.get("/rating/one/answers.parquet").content)).num_rows == 6
    table = pyarrow.csv.read_csv(io.BytesIO(client.get("/rating/one/answers.csv").content))
    assert table["set"].to_pylist().count("secret-bases") == 3 and table["rater"].to_pylist() == ["anna"] * 6
    assert client.get("/rating/one/answers.exe").status_code == 404


def test_preferences_are_shown_without_sides(client, desk):
    study = made(desk, "preference")
    address = started(client)
    while "item=" in address:
        item = study.item[address.partition("item=")[2]]
        left = re.search(r'src="[^"]*/(\w+)\.jpg"', client.get(address).text)[1]
        address = answered(client, address, "left" if left == item.pictures[0] else "right")
    page = client.get("/rating/one/results").text
    assert "3 of 3" in page and "secret-bases or secret-copies" in page
    assert {row["preferred_set"] for row in rows_of(desk, "anna")} == {"secret-bases"}


def test_lost_pictures_are_told_and_gone_round(client, desk):
    study = made(desk)
    pictures = desk.ratings / "one" / "pictures"
    (pictures / f"{study.pictures[0].id}.jpg").unlink()
    assert "1 question of the study cannot be shown any more" in client.get("/rating/one").text
    address, count = started(client), 0
    while "item=" in address:
        assert study.pictures[0].id not in client.get(address).text
        address, count = answered(client, address, "natural"), count + 1
    assert count == 5 and "could not be shown" in client.get(address).text
    assert "1 question of 6 cannot be shown" in client.get("/rating/one/results").text
    for picture in pictures.iterdir():
        picture.unlink()
    assert "pictures of this study are gone" in client.get("/rating/one").text
    assert "There is nothing to rate" in client.get("/rating/one/rate").text


def test_broken_answers_and_studies_do_not_hide_the_others(client, desk):
    made(desk)
    answered(client, started(client), "natural")
    (desk.ratings / "one" / "answers" / "bob.parquet").write_bytes(b"half a file")
    page = client.get("/rating/one/results").text
    assert "bob.parquet: is not a file of answers" in page and "anna" in page
    (desk.ratings / "two").mkdir()
    (desk.ratings / "two" / "study.json").write_text("{")
    page = client.get("/rating").text
    assert "two/study.json" in page and 'href="/rating/one"' in page
    assert client.get("/rating/two").status_code == 503 and "Traceback" not in client.get("/rating/two").text


def test_without_a_folder_for_ratings(finished, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for ratings, sentence in ((tmp_path / "none", "No study yet"), (blocked, "studies cannot be read")):
        with desk_of(finished, ratings=ratings) as desk:
            client = client_of(desk)
            assert sentence in client.get("/rating").text
            assert not Path(tmp_path / "none").exists()
    with desk_of(finished, ratings=blocked / "below") as desk:
        answer = client_of(desk).post("/rating/new", data=FORM | {"items": "1"})
        assert answer.status_code == 422 and "cannot be written" in answer.text


def test_without_anything_to_compare(tmp_path):
    with desk_of(tmp_path, ratings=tmp_path / "ratings") as desk:
        assert "nothing to compare yet" in client_of(desk).get("/rating/new").text

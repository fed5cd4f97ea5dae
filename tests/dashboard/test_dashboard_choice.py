"""Filters and orders: what SQL chooses is what a plain look at every row chooses."""

import pytest

from dashboard.rows.choice import Choice
from dashboard.rows.listing import beside, options, shown, spot_of, views_of
from hands.joints import Side


@pytest.fixture(scope="module")
def index(desk):
    return desk.index(desk.run("finished"))


@pytest.fixture(scope="module")
def rows(shown_samples) -> list[dict]:
    return [sample["images"] for sample in shown_samples]


def least_seen(row: dict) -> float:
    return 100 * min(row[str(side)]["visible_fraction"] for side in Side)


WANTED = {
    "environment=forest": lambda row: row["render"]["hdri"] == "forest",
    "skin=skin-2": lambda row: "skin-2" in (row["render"]["skin_right"], row["render"]["skin_left"]),
    "split=train": lambda row: row["split"] == "train",
    "split=test": lambda row: row["split"] == "test",
    "viewpoint=track": lambda row: row["viewpoint"] == "track",
    "source=gestures": lambda row: row["provenance"]["source"] == "gestures",
    "base_pose=cross": lambda row: row["provenance"]["base_pose"] == "cross",
    "pose=000004": lambda row: row["pose_id"] == "000004",
    "find=00001": lambda row: row["sample_id"].startswith("00001"),
    "contact=touching": lambda row: row["interaction"]["contact_vertices"] > 0,
    "contact=none": lambda row: row["interaction"]["contact_vertices"] == 0,
    "vertices=30": lambda row: row["interaction"]["contact_vertices"] >= 30,
    "visible_from=90": lambda row: least_seen(row) >= 90,
    "visible_to=90": lambda row: least_seen(row) <= 90,
    "deep_from=0.45": lambda row: row["interaction"]["max_penetration_mm"] >= 0.45,
    "deep_to=0.45": lambda row: row["interaction"]["max_penetration_mm"] <= 0.45,
    "environment=studio&contact=touching&vertices=20": lambda row: (
        row["render"]["hdri"] == "studio" and row["interaction"]["contact_vertices"] >= 20
    ),
}


def choice_of(query: str) -> Choice:
    return Choice.of(dict(part.split("=") for part in query.split("&")))


def names(page) -> list[str]:
    return [card.spot.sample_id for card in page.cards]


@pytest.mark.parametrize("query", WANTED)
def test_filters_choose_what_they_say(index, rows, query):
    page = shown(index, choice_of(query))
    expected = {row["sample_id"] for row in rows if WANTED[query](row)}
    assert set(names(page)) == expected and page.total == len(expected) == len(page.cards)


def test_the_filters_of_the_test_divide_the_rows(rows):
    """A filter that lets everything through would prove nothing."""
    dividing = [query for query, keeps in WANTED.items() if 0 < sum(map(keeps, rows)) < len(rows)]
    assert len(dividing) >= 12


def test_newest_comes_first(index, rows):
    assert names(shown(index, Choice())) == [row["sample_id"] for row in reversed(rows)]


def test_a_random_order_is_kept_by_its_seed_and_pages_of_it_meet(index, rows):
    choice = Choice(order="random", seed=5)
    whole = names(shown(index, choice))
    assert sorted(whole) == sorted(row["sample_id"] for row in rows)
    assert whole == names(shown(index, choice)) and whole != names(shown(index, Choice(order="random", seed=6)))
    assert whole != names(shown(index, Choice()))
    walked, start = [], ""
    for _ in range(3):
        page = shown(index, choice, start, most=5)
        assert page.first == len(walked) and page.total == 12
        walked, start = walked + names(page), page.after
    assert walked == whole and start == ""


@pytest.mark.parametrize("order", ["newest", "random"])
def test_a_page_back_ends_where_this_one_begins(index, order):
    choice = Choice(order=order)
    whole = names(shown(index, choice))
    assert names(shown(index, choice, before=whole[9], most=4)) == whole[5:9]
    front = shown(index, choice, before=whole[2], most=4)
    assert names(front) == whole[:4] and front.is_first and front.after == whole[4]


@pytest.mark.parametrize("order", ["newest", "random"])
def test_neighbours_are_those_of_the_order(index, order):
    choice = Choice(order=order, seed=3 if order == "random" else 0)
    whole = names(shown(index, choice))
    for place, name in enumerate(whole):
        there = beside(index, choice, name)
        assert (there.place, there.total, there.belongs) == (place, 12, True)
        assert there.previous == (whole[place - 1] if place else "")
        assert there.next == (whole[place + 1] if place < 11 else "")


def test_neighbours_of_a_sample_that_the_filters_leave_out(index):
    there = beside(index, Choice(environment="forest"), "000006-0")
    assert not there.belongs and (there.previous, there.next) == ("000007-0", "000004-0")
    assert beside(index, Choice(), "no such sample") is None


def test_where_a_sample_is(index, rows):
    spot = spot_of(index, "000007-0")
    assert (spot.shard, spot.number) == ("00002", 1) and spot_of(index, "") is None
    assert views_of(index, "000007-0") == []


def test_options_are_the_values_that_there_are(index):
    offered = options(index)
    assert offered["environment"] == ["forest", "studio", "sunset"]
    assert offered["skin"] == [f"skin-{number}" for number in range(4)]
    assert offered["base_pose"] == ["apart", "cross", "palms"] and offered["split"] == ["train"]


def test_an_address_says_the_choice_and_gives_it_back():
    asked = {"environment": "forest", "visible_from": "12.5", "contact": "none", "order": "random", "seed": "41"}
    choice = Choice.of(asked | {"skin": "", "unknown": "x"})
    assert choice.query == asked and Choice.of(choice.query) == choice
    assert choice.filters.keys() == {"environment", "visible_from", "contact"}
    assert choice.without("environment").query == {k: v for k, v in asked.items() if k != "environment"}


@pytest.mark.parametrize("text", ["nan", "inf", "-3", "1e999", "x", "", "0x10", "' OR 1=1"])
def test_numbers_that_are_none_are_left_out(text):
    assert Choice.of({"vertices": text, "visible_from": text, "seed": text, "order": "random"}).filters == {}


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "_", '"; DROP TABLE samples; --', "\x00", "x" * 5000, "é☃"])
def test_texts_are_values_and_never_sql(index, text):
    for name in ("find", "environment", "skin", "base_pose", "pose"):
        choice = Choice.of({name: text})
        assert shown(index, choice).total == 0 and len(choice.query[name]) <= 200
    assert shown(index, Choice()).total == 12
    assert spot_of(index, text) is None


def test_an_unknown_place_is_the_first_page(index):
    assert names(shown(index, Choice(), start="gone")) == names(shown(index, Choice()))

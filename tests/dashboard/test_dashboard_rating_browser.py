"""Answers given by key in a real browser."""

import pytest

from dashboard.rating.making import Plan, make_study
from dashboard.rating.sets import Choice
from dashboard.rating.studies import Studies
from tests.browser import browser, chromium
from tests.dashboard.serving import desk_of, served, wait_until

SETS = (Choice("a", "run", "finished", poses="base"), Choice("b", "run", "finished", poses="augmented"))


@pytest.mark.skipif(chromium() is None, reason="no Chromium")
def test_keys_answer_and_correct(finished, tmp_path):
    ratings = tmp_path / "ratings"
    with desk_of(finished, ratings=ratings) as desk:
        for kind in ("naturalness", "preference"):
            make_study(desk, Plan(kind, kind, SETS, items=2))
    rows = lambda kind: Studies(ratings).open(kind).answers.of("anna")  # noqa: E731
    with (
        served(finished, ratings=ratings) as (address, _),
        browser(chromium(), tmp_path / "profile") as tab,
    ):
        tab.allowed = address

        def press(key: str) -> None:
            tab.call("Input.dispatchKeyEvent", type="keyDown", key=key)

        tab.visit(f"{address}/rating/naturalness")
        tab.value("document.querySelector('input[name=rater]').value = 'Anna'")
        tab.value("document.querySelector('form button').click()")
        wait_until(lambda: on(tab, "progress.value === 0"))
        press("y")
        wait_until(lambda: on(tab, "progress.value === 1"))
        press("b")
        wait_until(lambda: on(tab, "document.querySelector('.chosen')?.value === 'natural'"))
        press("ArrowLeft")
        wait_until(lambda: on(tab, "!document.querySelector('.chosen') && progress.value === 1"))
        assert [row["answer"] for row in rows("naturalness")] == ["natural", "not_natural"]
        assert all(0 <= row["seconds"] < 60 for row in rows("naturalness"))

        tab.visit(f"{address}/rating/preference/rate", width=420, height=800)
        assert tab.value("document.querySelectorAll('.pictures img').length") == 2
        page = "document.documentElement"
        assert tab.value(f"{page}.scrollWidth <= innerWidth && {page}.scrollHeight <= innerHeight")
        press("3")
        wait_until(lambda: on(tab, "progress.value === 1"))
        assert [row["answer"] for row in rows("preference")] == ["both_bad"]
        assert tab.complaints == []


def on(tab, condition: str) -> bool:
    """Whether it holds on the page; False while one page gives way to the next."""
    script = (
        "(() => { const progress = document.querySelector('progress');"
        f"return document.readyState === 'complete' && progress !== null && ({condition}); }})()"
    )
    try:
        return bool(tab.value(script))
    except AssertionError:
        return False

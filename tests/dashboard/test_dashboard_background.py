"""Long computations: kept, computed anew when their data has changed, and never too often."""

from dashboard.watching.background import Background
from tests.dashboard.serving import wait_until


def settled(background, *call):
    answer = background.answer(*call)
    wait_until(lambda: not background.answer(*call).is_working)
    return answer, background.answer(*call)


def test_a_value_comes_later_and_stays():
    background, calls = Background(rest=0), []
    before, after = settled(background, "squares", 1, lambda: calls.append(1) or 9)
    assert before.value is None and before.is_working
    assert (after.value, after.of, after.trouble, calls) == (9, 1, "", [1])


def test_new_data_is_computed_while_the_older_value_is_shown():
    background = Background(rest=0)
    settled(background, "n", 1, lambda: "one")
    version = background.version
    before, after = settled(background, "n", 2, lambda: "two")
    assert before.value == "one" and after.value == "two" and background.version != version


def test_a_failure_is_a_sentence_and_keeps_what_was_there():
    background = Background(rest=0)
    settled(background, "n", 1, lambda: "one")

    def fail():
        raise ValueError("too few poses")

    _, after = settled(background, "n", 2, fail)
    assert after.value == "one" and after.trouble == "too few poses" and after.of == 2


def test_what_changes_often_is_computed_seldom_and_asked_for_when_the_time_has_come():
    background, calls = Background(rest=3600), []
    settled(background, "n", 1, lambda: calls.append(1))
    for version in range(2, 9):
        background.answer("n", version, lambda: calls.append(1))
    assert calls == [1]
    before = background.version
    background._rest = 0
    assert background.version != before, "pages are written anew, and then ask"

"""Three stages at once: order kept, memory bounded, errors where they belong."""

import threading
import time

import pytest

from tasks.pipeline import pipeline


def test_results_come_in_order_and_nothing_runs_far_ahead():
    prepared, drawn, finished = [], [], []
    slow = lambda item: time.sleep(0.02 if item % 3 == 0 else 0.0) or finished.append(item) or item  # noqa: E731
    results = []
    stages = (lambda i: prepared.append(i) or i, lambda i: drawn.append(i) or i, slow)
    for done, result in enumerate(pipeline(range(12), *stages, finishers=2), start=1):
        results.append(result)
        assert len(drawn) <= done + 3 and len(prepared) <= done + 5
    assert results == list(range(12)) and drawn == list(range(12))


def test_drawing_goes_on_while_others_are_prepared_and_finished():
    """Each stage of 20 ms: one after the other 60 ms an item, together 20 ms."""
    wait = lambda item: time.sleep(0.02) or item  # noqa: E731
    started = time.perf_counter()
    assert list(pipeline(range(20), wait, wait, wait)) == list(range(20))
    assert time.perf_counter() - started < 0.75 * 20 * 0.06


def test_drawing_stays_in_the_caller_s_thread():
    """Blender is killed when the thread that started it ends."""
    here = threading.get_ident()
    assert set(pipeline(range(3), lambda i: i, lambda i: threading.get_ident(), lambda i: i)) == {here}


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_an_error_ends_the_pipeline(stage):
    def fail(item):
        if item == 2:
            raise ValueError("two")
        return item

    stages = [lambda i: i, lambda i: i, lambda i: i]
    stages[stage] = fail
    got = []
    with pytest.raises(ValueError, match="two"):
        got.extend(pipeline(range(5), *stages))
    assert list(pipeline((), *stages)) == []

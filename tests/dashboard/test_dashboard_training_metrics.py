"""Metrics of a training: read as they grow, condensed without losing an extreme."""

import json
import math

import numpy as np
import pytest

from dashboard.training.charts import HIGHEST, LOWEST, charts_of, comparison
from dashboard.training.curves import BINS, Curve
from dashboard.training.metrics import LONGEST, MOST, MetricsFile
from dashboard.training.names import figure, headline, metric


def curve_of(pairs) -> Curve:
    curve = Curve()
    for step, value in pairs:
        curve.add(step, value)
    return curve


@pytest.fixture
def file(tmp_path):
    return MetricsFile(tmp_path, "metrics.jsonl")


@pytest.fixture
def write(tmp_path):
    """Adds text, or objects as lines, to the file of metrics."""

    def write(*parts, mode: str = "a") -> None:
        text = "".join(part if isinstance(part, str) else json.dumps(part) + "\n" for part in parts)
        with (tmp_path / "metrics.jsonl").open(mode) as opened:
            opened.write(text)

    return write


@pytest.mark.parametrize("stride", [1, 7, 1000])
def test_a_condensed_curve_keeps_every_extreme_the_mean_and_the_last_point(stride):
    values = np.random.default_rng(5).normal(size=20_000)
    values[[123, 15_001]] = 50.0, -60.0
    steps = stride * np.arange(1, len(values) + 1)
    view = curve_of(zip(steps.tolist(), values.tolist(), strict=True)).view()
    assert BINS / 4 <= len(view.bins) <= BINS + 1 and view.is_condensed
    assert view.highest == (50.0, steps[123]) and view.lowest == (-60.0, steps[15_001])
    assert view.newest == values[-1] and view.bins[-1].last == steps[-1]
    for part in view.bins:
        inside = values[(steps >= part.first) & (steps <= part.last)]
        assert part.count == len(inside) and part.lowest == inside.min() and part.highest == inside.max()
        assert part.mean == pytest.approx(inside.mean(), abs=1e-9)
    assert sum(part.count for part in view.bins) == len(values)
    counts = [part.count for part in view.bins[:-1]]
    assert max(counts) - min(counts) <= 2, "bins are equally wide"


def test_a_short_curve_is_kept_as_it_is():
    pairs = [(100.0 * k, math.sin(k)) for k in range(1, 200)]
    assert [(part.last, part.mean) for part in curve_of(pairs).view().points()] == pairs


def test_a_training_that_goes_on_from_an_earlier_step_replaces_what_came_after():
    curve = curve_of([(step, 9.0 if step > 50 else 1.0) for step in range(1, 101)])
    assert curve.add(51, 2.0) and not curve.add(52, 2.0)
    view = curve.view()
    assert view.highest == (2.0, 51) and view.bins[-1].last == 52


def test_what_is_no_number_is_counted_and_left_out():
    view = curve_of([(1, 1.0), (2, math.nan), (3, math.inf), (4, 2.0)]).view()
    assert view.unusable == 2 and view.unusable_at == 3 and view.highest == (2.0, 4)


def test_steps_as_far_apart_as_can_be_stay_bounded():
    view = curve_of([(1.07**k, float(k)) for k in range(480)] + [(1e15, 1.0)]).view()
    assert len(view.bins) <= BINS + 1 and view.bins[-1].last == 1e15


def test_only_what_was_added_is_read(file, write):
    write({"step": 1, "loss": 3.0})
    assert file.read() and file.lines == 1
    assert not file.read(), "nothing has changed"
    write({"step": 2, "loss": 2.0, "val/loss": 4}, {"step": 3, "loss": 1.0})
    assert file.read() and file.lines == 3 and file.step == 3
    assert [(part.last, part.newest) for part in file.views["loss"].bins] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert list(file.views) == ["loss", "val/loss"] and file.views["val/loss"].newest == 4


def test_half_a_line_waits_for_its_end(file, write):
    write({"step": 1, "loss": 3.0}, '{"step": 2, "lo')
    file.read()
    assert file.step == 1 and file.faulty == 0
    write('ss": 2.5}\n')
    file.read()
    assert file.views["loss"].newest == 2.5 and file.faulty == 0 and file.lines == 2


@pytest.mark.parametrize("longer", [False, True])
def test_a_file_that_was_written_anew_is_read_from_its_beginning(file, write, longer):
    write(*({"step": step, "loss": 9.0} for step in range(1, 6)))
    file.read()
    write(*({"step": step, "loss": 1.0} for step in range(1, 50 if longer else 3)), mode="w")
    assert file.read() and file.views["loss"].highest == (1.0, 1) and file.step == (49 if longer else 2)


def test_a_file_that_is_gone_is_forgotten(file, write, tmp_path):
    write({"step": 1, "loss": 3.0})
    file.read()
    (tmp_path / "metrics.jsonl").unlink()
    assert file.read() and not file.views and file.step is None and not file.read()


def test_garbage_is_counted_and_the_rest_is_read(file, write):
    deep = "[" * 100_000
    bad = ["no json\n", "[1]\n", '{"loss": 1}\n', '{"step": "x"}\n', '{"step": NaN}\n', '{"step": 1e99}\n', deep + "\n"]
    write({"step": 1, "loss": 1.0}, *bad, "\n", {"step": 2, "loss": "low", "note": None, "ok": True, "parts": {"a": 1}})
    write('{"step": 3, "loss": NaN, "lr": -Infinity, "huge": 1' + "0" * 400 + "}\n", {"step": 4, "loss": 0.5})
    file.read()
    assert file.faulty == len(bad) and file.step == 4
    assert list(file.views) == ["loss", "lr", "huge"], "texts, truths and objects are no metrics"
    assert file.views["loss"].unusable == 1 and file.views["huge"].unusable == 1 and file.views["lr"].newest is None


def test_bytes_that_are_no_text_are_no_line(file, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b'\xff\xfe\x00{"step": 1}\n{"step": 2, "loss": 1}\n')
    file.read()
    assert file.faulty == 1 and file.step == 2


def test_a_line_without_end_takes_no_memory_and_hides_no_later_one(file, write):
    write("x" * (3 * LONGEST), "\n", {"step": 7, "loss": 1.0})
    file.read()
    assert file.step == 7 and file.faulty == 1


def test_names_without_end_are_left_out_and_counted(file, write):
    write(*({"step": k, f"metric {k}": k} for k in range(MOST + 30)))
    file.read()
    assert len(file.views) == MOST and file.left_out == 30


def test_a_long_file_is_read_in_several_looks(file, write):
    write(*({"step": step, "loss": 1 / step, "text": "x" * 900} for step in range(1, 4000)))
    file.read(budget=0)
    assert 0 < file.waiting < 1 and file.step < 3999
    while file.waiting:
        assert file.read(budget=0), "there is more to read"
    assert (
        file.step == 3999
        and file.views["loss"].newest == 1 / 3999
        and sum(part.count for part in file.views["loss"].bins) == 3999
    )


def test_pace_total_and_the_end_come_from_the_lines(file, write):
    write(*({"step": 10 * k, "seconds": 4.0 * k, "total_steps": 5000} for k in range(1, 401)))
    file.read()
    assert file.pace == pytest.approx(2.5) and file.total == 5000 and not file.is_finished
    write({"step": 4000, "seconds": 1600.0}, {"step": 4001, "finished": True})
    file.read()
    assert file.is_finished and file.pace == pytest.approx(2.5)
    write({"step": 4002, "seconds": 1.0})
    file.read()
    assert not file.is_finished and file.pace is None, "seconds that begin again tell no pace yet"


def test_names_say_where_in_which_unit_and_which_way_is_better():
    one = metric("val/MPJPE_mm")
    assert (one.split, one.title, one.unit, one.better) == ("val", "MPJPE", "mm", "lower")
    assert metric("loss/joints_2d").unit == "" and metric("train/loss").split == ""
    assert metric("val/contact_accuracy_percent").better == "higher" and metric("val/diversity_mm").better == ""
    assert metric("gloss").better == "" and metric("samples_per_second").unit == "/s"
    assert figure(0.00025) == "0.00025" and figure(12345.6, "mm") == "12,346 mm" and figure(math.nan) == "–"


def test_the_headline_is_of_validation():
    view = curve_of([(1, 1.0)]).view()
    names = ("loss", "lr", "val/loss", "val/AUC", "val/PAMPJPE_mm", "val/MPJPE_mm")
    assert headline(dict.fromkeys(names, view)) == "val/MPJPE_mm"
    assert headline(dict.fromkeys(names[:4], view)) == "val/AUC" and headline(dict.fromkeys(names[:2], view)) == ""


def test_charts_put_together_what_is_compared():
    dense = curve_of([(k, 1 / k) for k in range(1, 3000)]).view()
    sparse = curve_of([(k, 1 / k) for k in (500, 1000, 2999)]).view()
    charts = charts_of(
        {"loss": dense, "val/loss": sparse, "loss/a": sparse, "val/x_mm": sparse, "val/y_mm": sparse}, True, "step"
    )
    loss, parts = charts.loss
    assert list(loss.series.curves) == ["training", "validation", "training" + LOWEST, "training" + HIGHEST]
    validation = dict(zip(loss.series.x, loss.series.curves["validation"], strict=True))
    assert {step: value for step, value in validation.items() if value is not None} == {
        500: 1 / 500,
        1000: 1e-3,
        2999: 1 / 2999,
    }
    assert loss.series.log and not parts.series.log and charts.can_be_logarithmic, "a log axis only where it helps"
    assert [chart.title for chart in charts.judged] == ["Validation, mm"]
    assert list(charts.judged[0].series.curves) == ["x", "y"]
    ids = [chart.series.id for some in (charts.loss, charts.judged, charts.further) for chart in some]
    assert len(set(ids)) == len(ids)


def test_trainings_are_compared_by_what_they_share():
    view = curve_of([(1, 1.0), (2, 0.5)]).view()
    charts = comparison({"a": {"loss": view, "val/MPJPE_mm": view, "lr": view}, "b": {"loss": view}}, False, "step")
    assert [(chart.title, list(chart.series.curves)) for chart in charts] == [("Loss, training", ["a", "b"])]

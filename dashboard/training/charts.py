"""Curves of one training, or of several beside each other, grouped into charts."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dashboard.series import Series
from dashboard.training.curves import CurveView
from dashboard.training.names import Metric, figure, headline, metric, ordered, spoken

MOST = 24
"""Charts of a page; further metrics stand in its table."""
_CURVES = 8
"""Curves in a chart, as there are colours."""
_WITH_RANGE = 2
"""Curves in a chart up to which their lowest and highest values are drawn too."""
_TENFOLD = 20.0
"""How many times the lowest value the highest one is, where a logarithmic axis helps."""
LOWEST, HIGHEST = ", lowest", ", highest"
"""What `static/training.js` draws as the range around a curve."""


class Chart(NamedTuple):
    """A chart with its title and a sentence below."""

    title: str
    series: Series
    note: str = ""


@dataclass(frozen=True)
class Charts:
    """Of one training."""

    loss: Sequence[Chart]
    judged: Sequence[Chart]
    """What was measured on other poses or images than the training's own."""
    further: Sequence[Chart]
    can_be_logarithmic: bool
    """Whether such an axis would help some chart."""
    left_out: int
    """Metrics that have no chart."""


def charts_of(curves: Mapping[str, CurveView], logarithmic: bool, unit: str) -> Charts:
    """A training's curves.

    Args:
        curves: by metric.
        logarithmic: whether charts whose values span a wide range get such an axis.
        unit: what curves count.
    """
    first = headline(curves)
    groups = _groups([one for one in ordered(curves) if curves[one.name].bins and not one.is_bookkeeping])
    groups.sort(key=lambda group: first not in [one.name for one in group[2]])
    shown, beyond = groups[:MOST], groups[MOST:]
    parts: dict[str, list[Chart]] = {"loss": [], "judged": [], "further": []}
    for section, title, members in shown:
        named = {_label(one, members): curves[one.name] for one in members}
        parts[section].append(_chart(title, named, members[0].unit, logarithmic, unit))
    helps = any(_spans([curves[one.name] for one in members]) for _, _, members in shown)
    return Charts(*parts.values(), helps, sum(len(members) for _, _, members in beyond))


def comparison(
    trainings: Mapping[str, Mapping[str, CurveView]], logarithmic: bool, unit: str, most: int = 6
) -> list[Chart]:
    """One chart a metric with a curve for each training: the loss, the headline, and what else of validation they share.

    Args:
        trainings: name to curves by metric.
        logarithmic: as for `charts_of`.
        unit: what curves count.
        most: charts.
    """
    names: dict[str, None] = {"loss": None}
    names |= {name: None for curves in trainings.values() if (name := headline(curves))}
    names |= {one.name: None for curves in trainings.values() for one in ordered(curves) if one.split}
    charts = []
    for name in names:
        having = {
            training: curves[name] for training, curves in trainings.items() if name in curves and curves[name].bins
        }
        if len(having) >= min(2, len(trainings)) and having and len(charts) < most:
            one = metric(name)
            title = one.title[:1].upper() + one.title[1:]
            title = f"{title}, {spoken(one.split)}"
            charts.append(_chart(title, dict(list(having.items())[:_CURVES]), one.unit, logarithmic, unit))
    return charts


def _groups(metrics: Sequence[Metric]) -> list[tuple[str, str, list[Metric]]]:
    """(section, title, metrics) of each chart."""
    groups: dict[tuple[str, str], list[Metric]] = {}
    for one in metrics:
        groups.setdefault(_place(one), []).append(one)
    cut = []
    for (section, title), members in groups.items():
        for start in range(0, len(members), _CURVES):
            cut.append(
                (section, title if not start else f"{title} ({start // _CURVES + 1})", members[start : start + _CURVES])
            )
    return cut


def _place(one: Metric) -> tuple[str, str]:
    where = spoken(one.split).capitalize()
    if one.base == "loss":
        return "loss", "Loss"
    if one.base.startswith("loss/"):
        return "loss", "Parts of the loss" if not one.split else f"Parts of the loss, {spoken(one.split)}"
    if one.split:
        return "judged", f"{where}, {one.unit}" if one.unit in ("mm", "cm", "%", "°", "px") else f"{where}: {one.title}"
    title = {"lr": "Learning rate"}.get(one.base, one.title[:1].upper() + one.title[1:])
    return "further", f"{title}, {one.unit}" if one.unit and one.unit != "/s" else title


def _label(one: Metric, members: Sequence[Metric]) -> str:
    """Name of a curve: the split where the chart compares these, else the metric without what all have."""
    if one.base == "loss":
        return spoken(one.split)
    if one.base == "lr":
        return "rate"
    return one.base.removeprefix("loss/").replace("_", " ") if one.base.startswith("loss/") else one.title


def _chart(title: str, curves: Mapping[str, CurveView], unit: str, logarithmic: bool, counts: str) -> Chart:
    log = logarithmic and _spans(list(curves.values()))
    ranged = {name: curve for name, curve in curves.items() if curve.is_condensed} if len(curves) <= _WITH_RANGE else {}
    points = {name: {part.last: part.mean for part in curve.points()} for name, curve in curves.items()}
    for name, curve in ranged.items():
        points[name + LOWEST] = {part.last: part.lowest for part in curve.points()}
        points[name + HIGHEST] = {part.last: part.highest for part in curve.points()}
    steps = sorted({step for of in points.values() for step in of})
    drawn = {name: [of.get(step) for step in steps] for name, of in points.items()}
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    series = Series(f"curve-{slug}", steps, drawn, unit, axis="number", label=counts, log=log)
    return Chart(title, series, _note(curves, bool(ranged), counts))


def _note(curves: Mapping[str, CurveView], has_range: bool, counts: str) -> str:
    widest = max((part.count for curve in curves.values() for part in curve.bins), default=1)
    if widest < 2:
        return ""
    mean = f"Points are means of up to {figure(widest)} values"
    return f"{mean}; the pale range reaches from the lowest to the highest." if has_range else f"{mean}."


def _spans(curves: Sequence[CurveView]) -> bool:
    """Whether values are all above zero, and so far apart that a logarithmic axis helps."""
    lows = [low[0] for curve in curves if (low := curve.lowest)]
    highs = [high[0] for curve in curves if (high := curve.highest)]
    return bool(lows) and min(lows) > 0 and math.isfinite(max(highs)) and max(highs) / min(lows) >= _TENFOLD

"""Drawings of the quality page: histograms with a limit marked, and how a figure was before and is after."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup, escape

from dashboard.quality.optimised import Change, Spread
from dataset.inspection.charts import WIDTH, histogram, nothing, svg
from dataset.inspection.sampling import Distribution
from dataset.inspection.wording import FINEST, measured

_FLOOR = 110
"""Where the bars of a histogram stand."""
_LINE = 26
_NAME, _ROOM = 56, WIDTH - 8


@dataclass(frozen=True)
class Limit:
    """A value that is marked in a drawing."""

    name: str
    value: float


@dataclass(frozen=True)
class Card:
    """A drawing with a title, the figure that matters most, and what would be good."""

    title: str
    figure: str
    chart: Markup
    note: str


def card(title: str, numbers: Distribution, unit: str, note: str, limit: Limit | None = None, figure: str = "") -> Card:
    """How numbers are distributed; the figure is their mean unless another is given."""
    told = figure or (f"mean {three(numbers.mean, unit)}" if numbers.count else "")
    return Card(title, told, _histogram(numbers, unit, limit), note)


def three(value: float, unit: str = "") -> str:
    """A number in three digits."""
    return measured(value, abs(value) or 1.0, unit)


def _histogram(numbers: Distribution, unit: str, limit: Limit | None) -> Markup:
    if not numbers.count:
        return Markup(nothing("Nothing to draw yet."))
    drawn = histogram(numbers, unit)
    if limit is not None and numbers.low <= limit.value <= numbers.high and numbers.high > numbers.low:
        place = (limit.value - numbers.low) / (numbers.high - numbers.low) * WIDTH
        end = "end" if place > WIDTH / 2 else "start"
        x = place - 5 if end == "end" else place + 5
        mark = (
            f'<line class="limit" x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{_FLOOR}"/>'
            f'<text class="limit" x="{x:.1f}" y="11" text-anchor="{end}">{escape(limit.name)}</text>'
        )
        drawn = drawn.removesuffix("</svg>") + mark + "</svg>"
    return Markup(drawn)


def before_after(change: Change, unit: str) -> Markup:
    """Two lines over one axis: the tick is the median, the band reaches from p05 to p95, the whisker to the ends."""
    ends = (change.before.min, change.before.max, change.after.min, change.after.max)
    low, high = min(0.0, *ends), max(ends)
    span = high - low if high - low > FINEST else 1.0
    x = lambda value: _NAME + (value - low) / span * (_ROOM - _NAME)  # noqa: E731
    rows = (("before", "none", change.before, 4), ("after", "c1", change.after, 4 + _LINE))
    shapes = [_spread(name, css, spread, y, x, span, unit) for name, css, spread, y in rows]
    floor = 2 * _LINE + 6
    axis = (
        f'<line class="rule" x1="{_NAME}" x2="{_ROOM}" y1="{floor}" y2="{floor}"/>'
        f'<text class="faint" x="{_NAME}" y="{floor + 16}">{measured(low, span, unit)}</text>'
        f'<text class="faint" x="{_ROOM}" y="{floor + 16}" text-anchor="end">{measured(low + span, span, unit)}</text>'
    )
    return Markup(svg(WIDTH, floor + 22, "".join(shapes) + axis))


def _spread(name: str, css: str, spread: Spread, y: int, x: Callable[[float], float], span: float, unit: str) -> str:
    told = ", ".join(
        f"{what} {measured(value, span, unit)}"
        for what, value in (
            ("least", spread.min), ("5 % below", spread.p05), ("median", spread.median),
            ("5 % above", spread.p95), ("greatest", spread.max),
        )
    )  # fmt: skip
    middle = y + 9
    return (
        f'<g class="{css}"><title>{name}: {told}</title>'
        f'<text x="{_NAME - 10}" y="{middle + 4}" text-anchor="end">{name}</text>'
        f'<path class="whisker" d="M{x(spread.min):.1f} {middle}H{x(spread.max):.1f}"/>'
        f'<path class="range" d="M{x(spread.p05):.1f} {middle}H{x(spread.p95):.1f}"/>'
        f'<path class="tick" d="M{x(spread.median):.1f} {middle - 7}v14"/></g>'
    )

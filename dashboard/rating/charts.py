"""Results drawn: rates with their intervals, and what was chosen of two."""

import html
from collections.abc import Sequence

from dashboard.rating.papers import Known
from dashboard.rating.results import OfPair, OfSet, Share, Verdict
from dashboard.rating.statistics import Interval
from dataset.inspection.charts import WIDE, Colours, key, svg

VERDICTS: tuple[tuple[Verdict, str], ...] = (
    ("first", "c1"),
    ("both_good", "good"),
    ("both_bad", "none"),
    ("second", "c2"),
)
"""In the order of the bar, with the CSS class of the colour."""
_LABEL, _ROW, _END = 214, 34, 60
_BAR = 30


def rates(sets: Sequence[OfSet], known: Sequence[Known]) -> str:
    """A line for each set: a bar up to its natural rate and the wider interval; the papers' rates below without interval."""
    lines = [_line(i, s.name, s.natural.value, _wider(s.natural), "c1") for i, s in enumerate(sets)]
    lines += [_line(len(sets) + i, k.name, k.rate, None, "none", digits=2) for i, k in enumerate(known)]
    height = _ROW * len(lines)
    grid = "".join(_grid(share, height) for share in (0, 0.25, 0.5, 0.75, 1))
    colours: Colours = (("this study, with 95 % interval", "c1"), ("RenderIH, Table 3", "none"))
    return key(colours) + svg(WIDE, height + 20, grid + "".join(lines))


def _wider(share: Share) -> Interval | None:
    found = [interval for interval in (share.interval, share.over_raters) if interval]
    return max(found, key=lambda interval: interval.high - interval.low, default=None)


def _x(share: float) -> float:
    return _LABEL + share * (WIDE - _LABEL - _END)


def _grid(share: float, height: float) -> str:
    return (
        f'<line class="rule" x1="{_x(share):.1f}" x2="{_x(share):.1f}" y1="0" y2="{height}"/>'
        f'<text class="faint" x="{_x(share):.1f}" y="{height + 15}" text-anchor="middle">{share:.0%}</text>'
    )


def _line(number: int, name: str, rate: float | None, interval: Interval | None, css: str, digits: int = 1) -> str:
    y = number * _ROW
    label = f'<text x="{_LABEL - 10}" y="{y + 21}" text-anchor="end">{html.escape(_short(name, 32))}</text>'
    if rate is None:
        return f'{label}<text class="faint" x="{_x(0) + 6}" y="{y + 21}">no answers yet</text>'
    percent = f"{100 * rate:.{digits}f} %"
    said = percent + (f", 95 %: {_span(interval)}" if interval else "")
    bar = (
        f'<rect class="rate {css}" x="{_x(0)}" y="{y + 9}" width="{max(_x(rate) - _x(0), 1):.1f}" height="16" rx="3"/>'
    )
    whisker = _whisker(interval, y + 17) if interval else ""
    right = max(rate, interval.high if interval else 0)
    value = f'<text class="value" x="{_x(right) + 8:.1f}" y="{y + 21}">{percent}</text>'
    return f"<g><title>{html.escape(name)}: {said}</title>{label}{bar}{whisker}{value}</g>"


def _whisker(interval: Interval, y: float) -> str:
    low, high = _x(interval.low), _x(interval.high)
    path = f"M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 5}v10M{high:.1f} {y - 5}v10"
    return f'<path class="interval" d="{path}"/>'


def choices(pair: OfPair) -> str:
    """The paper's bar: what share of the answers preferred each of two sets, or found both good or both bad."""
    names = {"first": pair.first, "second": pair.second, "both_good": "similarly good", "both_bad": "similarly bad"}
    colours = tuple((f"{_short(names[kind], 40)}", css) for kind, css in VERDICTS)
    left, parts = 0.0, []
    for kind, css in VERDICTS:
        share = pair.shares[kind].value or 0.0
        parts.append(
            _part(left, share, css, f"{names[kind]}: {pair.shares[kind].part:,} of {pair.shares[kind].whole:,}")
        )
        left += share
    return key(colours) + svg(WIDE, _BAR + 2, "".join(parts))


def _part(left: float, share: float, css: str, said: str) -> str:
    x, width = left * WIDE, share * WIDE
    place = f'x="{x:.1f}" y="1" width="{max(width - (1.5 if width > 3 else 0), 0):.1f}" height="{_BAR}"'
    middle = f'x="{x + width / 2:.1f}" y="{_BAR / 2 + 5}"'
    text = f'<text class="inside" {middle} text-anchor="middle">{share:.0%}</text>' if width > 34 else ""
    return f'<g><title>{html.escape(said)}</title><rect class="rate {css}" {place} rx="3"/>{text}</g>'


def _span(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"

"""Small charts as inline SVG and tables as HTML; colours come from the page's style sheet."""

import html
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from dataset.inspection.sampling import Distribution
from dataset.inspection.wording import FINEST, measured

STYLE = "charts.css"
"""File beside this one with the colours; a page that holds charts includes it."""
WIDTH, WIDE = 400, 640
_ROW, _LABEL = 22, 165
_LEVEL = 110

Colours = Sequence[tuple[str, str]]
"""(name, CSS class) of each part of a stacked bar or each kind of dot."""


def card(title: str, chart: str, note: str = "") -> str:
    """A chart with its title and a sentence below."""
    below = f"<p>{html.escape(note)}</p>" if note else ""
    return f'<div class="chart"><h3>{html.escape(title)}</h3>{chart}{below}</div>'


def svg(width: int, height: float, content: str) -> str:
    """A drawing as wide as its place."""
    return f'<svg viewBox="0 0 {width} {height:g}" role="img">{content}</svg>'


def nothing(sentence: str = "none") -> str:
    """Where a chart would be, why there is none."""
    return f'<p class="nothing">{html.escape(sentence)}</p>'


def key(kinds: Colours) -> str:
    """What the colours mean."""
    parts = [f'<span><i class="{css}"></i>{html.escape(name)}</span>' for name, css in kinds]
    return f'<div class="key">{"".join(parts)}</div>'


def bars(
    counts: Mapping[str, int],
    most: int = 12,
    rest: tuple[int, int] = (0, 0),
    value: Callable[[float], str] = "{:,}".format,
    width: int = WIDTH,
) -> str:
    """One horizontal bar a name, the largest first; the others summed up in a last line.

    Args:
        counts: name to count.
        most: lines at most.
        rest: number of names that `counts` leaves out, and the sum of their counts.
        value: how a count is written.
        width: of the drawing.
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not ordered:
        return nothing()
    shown = ordered if len(ordered) <= most and not rest[0] else ordered[: most - 1]
    others, beyond = rest[0] + len(ordered) - len(shown), rest[1] + sum(count for _, count in ordered[len(shown) :])
    room, largest = width - _LABEL - 66, shown[0][1] or 1
    lines = [_bar(i * _ROW, name, room * count / largest, value(count)) for i, (name, count) in enumerate(shown)]
    if others:
        lines.append(_others(len(shown) * _ROW, f"{others:,} others", value(beyond)))
    return svg(width, len(lines) * _ROW, "".join(lines))


def _bar(y: int, name: str, length: float, value: str) -> str:
    short = name if len(name) <= 21 else name[:20] + "…"
    return (
        f"<g><title>{html.escape(name)}: {value}</title>"
        f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{html.escape(short)}</text>'
        f'<rect class="fill" x="{_LABEL}" y="{y + 4}" width="{max(length, 1):.1f}" height="{_ROW - 8}" rx="3"/>'
        f'<text class="faint" x="{_LABEL + max(length, 1) + 6:.1f}" y="{y + 15}">{value}</text></g>'
    )


def _others(y: int, name: str, value: str) -> str:
    """No bar: all others together would dwarf the rest."""
    return (
        f'<text class="faint" x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{name}</text>'
        f'<text class="faint" x="{_LABEL}" y="{y + 15}">{value} together</text>'
    )


def histogram(numbers: Distribution, unit: str, width: int = WIDTH, bins: int = 24) -> str:
    """How numbers are distributed, with the ends of the axis and the median named."""
    if not numbers.count:
        return nothing()
    low, high = numbers.low, numbers.high if numbers.high - numbers.low > FINEST else numbers.low + 1
    counts, edges = np.histogram(numbers.sample, bins=bins, range=(low, high))
    counts = counts.tolist()
    first, median, last = (measured(value, high - low, unit) for value in (low, numbers.median, high))
    starts = [f"from {measured(edge, high - low, unit)}" for edge in edges[:-1]]
    columns = [_column(i, width / bins, count, max(counts), starts[i]) for i, count in enumerate(counts)]
    place = (numbers.median - low) / (high - low) * width
    axis = (
        f'<line class="rule" x1="0" x2="{width}" y1="{_LEVEL}" y2="{_LEVEL}"/>'
        f'<line class="median" x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{_LEVEL}"/>'
        f'<text class="faint" x="0" y="{_LEVEL + 17}">{first}</text>'
        f'<text class="faint" x="{width / 2}" y="{_LEVEL + 17}" text-anchor="middle">median {median}</text>'
        f'<text class="faint" x="{width}" y="{_LEVEL + 17}" text-anchor="end">{last}</text>'
    )
    return svg(width, _LEVEL + 22, "".join(columns) + axis)


def _column(number: int, step: float, count: int, largest: int, where: str) -> str:
    height = (_LEVEL - 8) * count / largest
    height = max(height, 1.5) if count else 0
    place = f'x="{number * step + 1:.1f}" y="{_LEVEL - height:.1f}" width="{step - 2:.1f}"'
    return f'<rect class="fill" {place} height="{height:.1f}" rx="2"><title>{where}: {count:,}</title></rect>'


def stacked(shares: Mapping[str, Sequence[float]], parts: Colours) -> str:
    """One full-width bar a name, cut into shares that sum to 1, with what the colours mean above."""
    rows = [_stack(i * 19, name, values, parts) for i, (name, values) in enumerate(shares.items())]
    return key(parts) + svg(WIDE, 19 * len(rows), "".join(rows))


def _stack(y: int, name: str, values: Sequence[float], parts: Colours) -> str:
    left, room = 90.0, WIDE - 90
    shapes = [f'<text x="82" y="{y + 12}" text-anchor="end">{html.escape(name.replace("_", " "))}</text>']
    for share, (part, css) in zip(values, parts, strict=True):
        shapes.append(
            f'<rect class="{css}" x="{left:.1f}" y="{y + 1}" width="{room * share:.1f}" height="15">'
            f"<title>{html.escape(name)}: {share:.0%} {html.escape(part)}</title></rect>"
        )
        left += room * share
    return "".join(shapes)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    """An HTML table; cells are already safe HTML, all but the first column are numbers unless told otherwise."""
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    css = ' class="numbers"' if numbers else ""
    return f'<div class="scroll"><table{css}><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def values_of(values: Float[np.ndarray, "s"]) -> Distribution:
    """Numbers that are all there are."""
    if not len(values):
        return Distribution(0, np.nan, np.nan, np.nan, values)
    return Distribution(len(values), float(values.min()), float(values.max()), float(values.mean()), values)

"""Small charts as inline SVG; colours come from the page's style sheet."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

WIDTH = 400
_ROW, _LABEL = 22, 150

Colours = Sequence[tuple[str, str]]
"""(name, CSS colour) of each part of a stacked bar."""


def card(title: str, chart: str, note: str = "") -> str:
    """A chart with its title and a sentence below."""
    below = f"<p>{html.escape(note)}</p>" if note else ""
    return f'<div class="chart"><h3>{html.escape(title)}</h3>{chart}{below}</div>'


def bars(counts: Mapping[str, int], most: int = 12) -> str:
    """One horizontal bar a name, the largest first; the rest summed up in a last one."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) > most:
        rest = ordered[most - 1 :]
        ordered = [*ordered[: most - 1], (f"{len(rest)} others", sum(count for _, count in rest))]
    if not ordered:
        return _svg(24, '<text class="axis" x="0" y="16">none</text>')
    largest = max(count for _, count in ordered) or 1
    room = WIDTH - _LABEL - 56
    shapes = [_bar(i * _ROW, name, room * count / largest, f"{count:,}") for i, (name, count) in enumerate(ordered)]
    return _svg(len(ordered) * _ROW, "".join(shapes))


def _bar(y: int, name: str, length: float, value: str) -> str:
    short = name if len(name) <= 22 else name[:21] + "…"
    return (
        f"<g><title>{html.escape(name)}: {value}</title>"
        f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{html.escape(short)}</text>'
        f'<rect class="bar-fill" x="{_LABEL}" y="{y + 4}" width="{max(length, 1):.1f}" height="{_ROW - 8}" rx="3"/>'
        f'<text class="value" x="{_LABEL + max(length, 1) + 6:.1f}" y="{y + 15}">{value}</text></g>'
    )


def histogram(values: Float[np.ndarray, "n"], unit: str, bins: int = 24) -> str:
    """How values are distributed, with the ends of the axis and the median named."""
    if not len(values):
        return _svg(24, '<text class="axis" x="0" y="16">none</text>')
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + 1
    counts, _ = np.histogram(values, bins=bins, range=(low, high))
    height = 110
    shapes = [
        _column(i * WIDTH / bins, WIDTH / bins, (height - 8) * count / counts.max(), height)
        + f"<title>{low + i * (high - low) / bins:.3g} {unit} and more: {count:,}</title></rect>"
        for i, count in enumerate(counts)
    ]
    median = float(np.median(values))
    axis = (
        f'<line class="rule" x1="0" x2="{WIDTH}" y1="{height}" y2="{height}"/>'
        f'<text class="axis" x="0" y="{height + 17}">{low:.3g}</text>'
        f'<text class="axis" x="{WIDTH / 2}" y="{height + 17}" text-anchor="middle">median {median:.3g} {unit}</text>'
        f'<text class="axis" x="{WIDTH}" y="{height + 17}" text-anchor="end">{high:.3g} {unit}</text>'
    )
    return _svg(height + 22, "".join(shapes) + axis)


def _column(x: float, width: float, height: float, floor: int) -> str:
    place = f'x="{x + 1:.1f}" y="{floor - height:.1f}" width="{width - 2:.1f}" height="{height:.1f}"'
    return f'<rect class="bar-fill" {place} rx="2">'


def stacked(shares: Mapping[str, Sequence[float]], parts: Colours) -> str:
    """One full-width bar a name, cut into shares that sum to 1, with a legend above."""
    legend, x = [], 0
    for name, colour in parts:
        legend.append(f'<rect x="{x}" y="3" width="11" height="11" rx="2" fill="{colour}"/>')
        legend.append(f'<text class="axis" x="{x + 16}" y="13">{html.escape(name)}</text>')
        x += 34 + 7 * len(name)
    rows = [_stack(24 + i * 17, name, values, parts) for i, (name, values) in enumerate(shares.items())]
    return _svg(26 + 17 * len(rows), "".join(legend + rows))


def _stack(y: int, name: str, values: Sequence[float], parts: Colours) -> str:
    left, room = 78.0, WIDTH - 78
    shapes = [f'<text x="70" y="{y + 11}" text-anchor="end">{html.escape(name.replace("_", " "))}</text>']
    for share, (part, colour) in zip(values, parts, strict=True):
        shapes.append(
            f'<rect x="{left:.1f}" y="{y + 1}" width="{room * share:.1f}" height="13" fill="{colour}">'
            f"<title>{html.escape(name)}: {share:.0%} {html.escape(part)}</title></rect>"
        )
        left += room * share
    return "".join(shapes)


def viewpoints(azimuth: Float[np.ndarray, "n"], elevation: Float[np.ndarray, "n"], most: int = 1500) -> str:
    """Cameras around the hands: azimuth across, elevation upwards, degrees; evenly thinned when there are many."""
    pick = np.arange(len(azimuth)) if len(azimuth) <= most else np.linspace(0, len(azimuth) - 1, most).astype(int)
    across, up, height = (azimuth + 180) / 360 * WIDTH, (90 - elevation) / 180 * 200, 200
    names = (("behind", -180), ("left", -90), ("own view", 0), ("right", 90))
    grid = [f'<line class="rule" x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>' for y in (0, 50, 100, 150, 200)]
    for name, angle in names:
        x = (angle + 180) / 360 * WIDTH
        grid.append(f'<line class="rule" x1="{x}" x2="{x}" y1="0" y2="{height}"/>')
        anchor = "start" if angle == -180 else "middle"
        grid.append(f'<text class="axis" x="{x}" y="{height + 17}" text-anchor="{anchor}">{name}</text>')
    size, opacity = (3, 0.8) if len(pick) < 200 else (2, 0.4)
    dots = [
        f'<circle class="bar-fill" cx="{across[i]:.1f}" cy="{up[i]:.1f}" r="{size}" opacity="{opacity}"/>' for i in pick
    ]
    return _svg(height + 22, "".join(grid + dots))


def _svg(height: int, content: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{content}</svg>'

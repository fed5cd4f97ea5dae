"""Drawings of what a dataset covers: directions of cameras, how often each thing is used, the turn of the light."""

import html
import math
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import numpy as np
from jaxtyping import Int

from dashboard.diversity.coverage import BANDS, SECTORS, TURNS, Coverage, Kind, Use
from dashboard.wording import count, number
from dataset.inspection.charts import key, nothing, svg, table
from dataset.splits import SPLITS

MOST = 20
"""Lines of a chart of names."""
_LAST = 5
"""Of the lines, how many are the most used ones, when not all fit."""
_LEFT, _TOP, _CELL, _ROW = 46, 4, 48, 34
_STRONGEST = 0.62
_SIDES = {0: "far side", 3: "person's left", 6: "person's side", 9: "person's right"}
_WIDE, _LINE, _NAMES, _COUNTS = 430, 21, 168, 92
_COLOURS = ("c1", "c2", "c3", "c4")
_RADIUS = 92


def directions(cameras: Int[np.ndarray, "8 12"], egocentric: Int[np.ndarray, "8 12"]) -> str:
    """How many cameras look from each direction, on cells of equal area; an empty one has a dashed outline."""
    most = max(int(cameras.max()), 1)
    shapes = []
    for band in range(BANDS):
        for sector in range(SECTORS):
            seen = int(cameras[band, sector]), int(egocentric[band, sector])
            shapes.append(_cell(band, sector, *seen, most))
    return svg(_LEFT + SECTORS * _CELL + 18, _TOP + BANDS * _ROW + 22, "".join([*shapes, *_axes()]))


def _cell(band: int, sector: int, seen: int, own: int, most: int) -> str:
    x, y = _LEFT + sector * _CELL, _TOP + (BANDS - 1 - band) * _ROW
    low, high = (_elevation(edge) for edge in (band, band + 1))
    eyes = f", {own:,} of them by the person's own eyes" if own else ""
    title = f"<title>{_azimuth(sector)}, elevation {low}° to {high}°: {count(seen, 'image')}{eyes}</title>"
    place = f'x="{x + 1.5}" y="{y + 1.5}" width="{_CELL - 3}" height="{_ROW - 3}" rx="4"'
    if not seen:
        return f'<rect class="hole" {place}>{title}</rect>'
    strength = _STRONGEST * math.sqrt(seen / most)
    return (
        f'<g>{title}<rect class="fill" {place} fill-opacity="{max(strength, 0.05):.3f}"/>'
        f'<text class="cell" x="{x + _CELL / 2}" y="{y + _ROW / 2 + 4}" text-anchor="middle">{_short(seen)}</text></g>'
    )


def _axes() -> Iterator[str]:
    for band in range(BANDS + 1):
        y = _TOP + (BANDS - band) * _ROW + 4
        yield f'<text class="faint cell" x="{_LEFT - 6}" y="{y}" text-anchor="end">{_elevation(band)}°</text>'
    for sector, name in _SIDES.items():
        x = _LEFT + (sector + 0.5) * _CELL
        yield (
            f'<text class="faint" x="{x}" y="{_TOP + BANDS * _ROW + 18}" text-anchor="middle">{html.escape(name)}</text>'
        )


def _elevation(edge: int) -> str:
    """Degrees at the lower edge of a band."""
    return f"{math.degrees(math.asin(2 * edge / BANDS - 1)):.0f}".replace("-", "−")


def _azimuth(sector: int) -> str:
    """Where a sector is, seen from the hands."""
    degrees = 360 // SECTORS * sector - 180
    if sector in _SIDES:
        return f"From the {html.escape(_SIDES[sector])}"
    return f"{abs(degrees)}° to the {'right' if degrees > 0 else 'left'} of the person's side"


def _short(seen: int) -> str:
    """A count in four characters."""
    return f"{seen / 1e6:.1f}M" if seen >= 999_500 else f"{seen / 1e3:.0f}K" if seen >= 9950 else f"{seen:,}"


def usage(kind: Kind, noun: str, empty: str, link: str) -> str:
    """A bar a thing, the least used first, a mark where even use would be; what is to come is paler.

    Args:
        kind: the things.
        noun: what is counted.
        empty: what stands there when there is none.
        link: address of a thing's images, up to its name.
    """
    if not kind.uses:
        return nothing(empty)
    ordered = sorted(kind.uses, key=lambda use: (_relative(use), use.name))
    first, last = ordered, list[Use]()
    if len(ordered) > MOST:
        first, last = ordered[: MOST - _LAST - 1], ordered[-_LAST:]
    between = ordered[len(first) : len(ordered) - len(last)]
    most = max(max(use.found + use.to_come, use.expected) for use in ordered) or 1
    splits = sorted({use.split for use in ordered if use.split}, key=_place)
    css = {split: _COLOURS[min(i, len(_COLOURS) - 1)] for i, split in enumerate(splits)}
    lines = [_bar(i, use, most, css.get(use.split, "none"), noun, link) for i, use in enumerate(first)]
    if between:
        lines.append(_between(len(lines), between, noun))
    lines += [_bar(len(lines) + i, use, most, css.get(use.split, "none"), noun, link) for i, use in enumerate(last)]
    return (key([(split, css[split]) for split in splits]) if len(splits) > 1 else "") + svg(
        _WIDE, _LINE * len(lines), f'<g class="usage">{"".join(lines)}</g>'
    )


def _relative(use: Use) -> float:
    return (use.found + use.to_come) / use.expected if use.expected else 0.0


def _bar(line: int, use: Use, most: float, css: str, noun: str, link: str) -> str:
    y, room = line * _LINE, _WIDE - _NAMES - _COUNTS
    found, coming, even = (room * value / most for value in (use.found, use.to_come, use.expected))
    name = html.escape(use.name if len(use.name) <= 24 else use.name[:23] + "…")
    more = f" + {use.to_come:,}" if use.to_come else ""
    coming_too = f"{more} to come" if more else ""
    told = html.escape(f"{use.name}{f' ({use.split})' if use.split else ''}: {count(use.found, noun)}{coming_too}")
    label = f'<text x="{_NAMES - 8}" y="{y + 15}" text-anchor="end">{name}</text>'
    shapes = [
        f"<g><title>{told}; even use: {number(use.expected)}</title>",
        f'<a href="{html.escape(link + quote(use.name, safe=""))}">{label}</a>' if use.found else label,
    ]
    if use.found:
        shapes.append(f'<rect class="{css}" x="{_NAMES}" y="{y + 4}" width="{max(found, 1):.1f}" height="13" rx="3"/>')
    if use.to_come:
        place = f'x="{_NAMES + found:.1f}" y="{y + 4}" width="{max(coming, 1):.1f}"'
        shapes.append(f'<rect class="{css} coming" {place} height="13" rx="3"/>')
    if use.expected:
        shapes.append(f'<path class="even" d="M{_NAMES + even:.1f} {y + 1}v19"/>')
    end = _NAMES + max(found + coming, even) + 8
    shade = "faint" if use.found or use.to_come else "lacking"
    shapes.append(f'<text class="{shade}" x="{end:.1f}" y="{y + 15}">{use.found:,}{more}</text></g>')
    return "".join(shapes)


def _between(line: int, uses: Sequence[Use], noun: str) -> str:
    counts = [use.found for use in uses]
    low, high = min(counts), max(counts)
    each = count(low, noun) if low == high else f"{low:,} to {count(high, noun)}"
    return (
        f'<text class="faint" x="{_NAMES - 8}" y="{line * _LINE + 15}" text-anchor="end">{len(uses):,} others</text>'
        f'<text class="faint" x="{_NAMES}" y="{line * _LINE + 15}">{each} each</text>'
    )


def turns(counts: Int[np.ndarray, "12"]) -> str:
    """From where the light comes: a wedge a part of the turn, its area as its images."""
    if not counts.sum():
        return nothing("No image yet.")
    most, middle = counts.max(), (200, 112)
    shapes = [f'<circle class="globe" cx="{middle[0]}" cy="{middle[1]}" r="{_RADIUS}"/>']
    for turn, images in enumerate(counts.tolist()):
        radius = _RADIUS * math.sqrt(images / most)
        (x0, y0), (x1, y1) = (_on_circle(middle, radius, turn + edge) for edge in (0, 1))
        title = f"<title>{turn * 360 // TURNS}° to {(turn + 1) * 360 // TURNS}°: {count(images, 'image')}</title>"
        path = f"M{middle[0]} {middle[1]}L{x0:.1f} {y0:.1f}A{radius:.1f} {radius:.1f} 0 0 1 {x1:.1f} {y1:.1f}Z"
        shapes.append(f'<path class="fill wedge" d="{path}">{title}</path>')
    for turn, anchor in ((0, "middle"), (3, "start"), (6, "middle"), (9, "end")):
        x, y = _on_circle(middle, _RADIUS + 9, turn)
        drop = {0: 0, 3: 4, 6: 9, 9: 4}[turn]
        shapes.append(
            f'<text class="faint" x="{x:.1f}" y="{y + drop:.1f}" text-anchor="{anchor}">{turn * 360 // TURNS}°</text>'
        )
    return svg(400, 228, "".join(shapes))


def _on_circle(middle: tuple[float, float], radius: float, turn: float) -> tuple[float, float]:
    angle = 2 * math.pi * turn / TURNS
    return middle[0] + radius * math.sin(angle), middle[1] - radius * math.cos(angle)


def splits(found: Coverage) -> str:
    """What each split consists of; images to come stand behind a plus."""
    rows = []
    for split, (images, more) in found.splits.items():
        used = [_used(kind, split) for kind in (found.environments, found.skins)]
        bases = sum(use.split == split and use.found > 0 for use in found.bases.uses)
        rows.append([html.escape(split), f"{images:,}{f' + {more:,}' if more else ''}", *used, f"{bases:,}"])
    return table(("split", "images", "environments", "skins", "base poses"), rows)


def _used(kind: Kind, split: str) -> str:
    own = [use for use in kind.uses if use.split == split]
    used = sum(use.found > 0 for use in own)
    return f"{used:,}" if used == len(own) else f"{used:,} of {len(own):,}"


def _place(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)

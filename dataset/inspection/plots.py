"""The larger drawings: poses on a map, cameras on the sphere, joint angles in their ranges."""

import html
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from dataset.inspection.charts import WIDE, Colours, key, svg
from dataset.inspection.postures import ANGLES, AngleRanges
from hands.joints import Side

NAMED = 40
"""Poses on the map up to which their names stand beside them."""
DOTS = 2000
"""Cameras drawn at most."""
FEW = 600
"""Dots up to which they are drawn larger."""
_MAP_HEIGHT = 520
_RADIUS, _MIDDLE = 150, 158
_FRONT_LABELS = ("own left", "own right")
_LINE, _NAMES, _TICKS = 25, 130, range(-30, 121, 30)
_LEAST, _MOST = -42.0, 122.0


def scatter(
    places: Float[np.ndarray, "m 2"], kinds: Int[np.ndarray, "m"], names: Sequence[str], colours: Colours
) -> str:
    """Dots in a plane, coloured by kind, the rarer kinds on top; a name for each."""
    low, high = places.min(0), places.max(0)
    spread = (high - low).max() or 1.0
    centred = (places - (low + high) / 2) / spread
    room = min((WIDE - 24) / max(np.ptp(centred[:, 0]), 1e-9), (_MAP_HEIGHT - 48) / max(np.ptp(centred[:, 1]), 1e-9))
    x, y = (centred * room + (WIDE / 2, _MAP_HEIGHT / 2 - 8)).T
    radius = 3.4 if len(places) <= FEW else 2.6
    sizes = np.bincount(kinds)
    order = np.lexsort((-kinds, -sizes[kinds]))
    ringed = kinds != kinds[order[0]]
    labels = [_label(x[i], y[i] + 14, names[i]) for i in order] if len(places) <= NAMED else []
    dots = [_dot(x[i], y[i], radius, f"{colours[kinds[i]][1]} spot{' ring' * int(ringed[i])}", names[i]) for i in order]
    return key(colours) + svg(WIDE, _MAP_HEIGHT, "".join(dots + labels))


def _label(x: float, y: float, name: str) -> str:
    return f'<text class="faint small" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{html.escape(name.split(" · ")[0])}</text>'


def _dot(x: float, y: float, radius: float, css: str, name: str = "") -> str:
    inside = f"<title>{html.escape(name)}</title></circle>" if name else "</circle>"
    return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{inside}'


def hemispheres(directions: Float[np.ndarray, "s 3"], egocentric: Bool[np.ndarray, "s"], colours: Colours) -> str:
    """Cameras on the sphere around the hands: the near half from the person's side, the far half from the other side.

    Orthographic, z up: circles of equal elevation are straight lines.
    """
    directions, egocentric = directions[:DOTS], egocentric[:DOTS]
    near = directions[:, 1] <= 0
    halves = (
        (WIDE / 4, directions[:, 0], near, "from the person's side", _FRONT_LABELS),
        (3 * WIDE / 4, -directions[:, 0], ~near, "from the far side", _FRONT_LABELS[::-1]),
    )
    radius = 2.2 if len(directions) > FEW else 3.4
    shapes = [_globe(centre, title, sides) for centre, _, _, title, sides in halves]
    for kind, css in ((False, colours[0][1]), (True, colours[1][1])):
        for centre, across, there, *_ in halves:
            x, y = centre + _RADIUS * across, _MIDDLE - _RADIUS * directions[:, 2]
            shapes += [_dot(x[i], y[i], radius, f"{css} spot") for i in np.flatnonzero(there & (egocentric == kind))]
    return key(colours) + svg(WIDE, _MIDDLE + _RADIUS + 42, "".join(shapes))


def _globe(centre: float, title: str, sides: tuple[str, str]) -> str:
    lines = [f'<circle class="globe" cx="{centre:g}" cy="{_MIDDLE}" r="{_RADIUS}"/>']
    for elevation in np.radians((-60, -30, 0, 30, 60)):
        half, y = _RADIUS * np.cos(elevation), _MIDDLE - _RADIUS * np.sin(elevation)
        lines.append(f'<path class="rule" d="M{centre - half:.1f} {y:.1f}h{2 * half:.1f}"/>')
    for azimuth in np.radians((0, 30, 60)):
        across = f'rx="{_RADIUS * np.sin(azimuth):.1f}" ry="{_RADIUS}"'
        lines.append(f'<ellipse class="rule" cx="{centre:g}" cy="{_MIDDLE}" {across}/>')
    floor = _MIDDLE + _RADIUS
    lines.append(f'<text x="{centre:g}" y="{floor + 34}" text-anchor="middle">{title}</text>')
    lines.append(f'<text class="faint" x="{centre - _RADIUS}" y="{floor + 12}">{sides[0]}</text>')
    lines.append(f'<text class="faint" x="{centre + _RADIUS}" y="{floor + 12}" text-anchor="end">{sides[1]}</text>')
    return "".join(lines)


def angle_bands(found: AngleRanges, colours: Colours) -> str:
    """Each angle of Table 2: its allowed range, and where the right and the left hand's values lie in it."""
    rows = [_angle(_LINE * number, number, found) for number in range(len(ANGLES))]
    floor = _LINE * len(ANGLES) + 4
    ticks = [
        f'<path class="rule" d="M{_x(t):.1f} 0V{floor}"/>'
        f'<text class="faint" x="{_x(t):.1f}" y="{floor + 15}" text-anchor="middle">{t}°</text>'
        for t in _TICKS
    ]
    return key(colours) + svg(WIDE, floor + 20, "".join(ticks + rows))


def _angle(y: int, number: int, found: AngleRanges) -> str:
    name, _, _, (low, high) = ANGLES[number]
    shapes = [
        f'<text x="{_NAMES - 8}" y="{y + 17}" text-anchor="end">{name}</text>',
        f'<rect class="allowed" x="{_x(low):.1f}" y="{y + 3}" width="{_x(high) - _x(low):.1f}" height="{_LINE - 6}" rx="3"/>',
    ]
    for hand, side in enumerate(Side):
        shapes.append(_band(y + 9 + 8 * hand, side, found.percentiles[hand, number], name))
    return "".join(shapes)


def _band(y: int, side: Side, percentiles: Float[np.ndarray, "5"], name: str) -> str:
    least, low, median, high, most = (_x(value) for value in percentiles)
    told = ", ".join(f"{value:.0f}" for value in percentiles)
    return (
        f'<g class="{side}"><title>{name}, {side} hand: {told}°</title>'
        f'<path class="whisker" d="M{least:.1f} {y}H{most:.1f}"/><path class="band" d="M{low:.1f} {y}H{high:.1f}"/>'
        f'<path class="tick" d="M{median:.1f} {y - 3.5}v7"/></g>'
    )


def _x(degrees: float) -> float:
    """Where an angle is drawn; one far outside at the border."""
    inside = min(max(degrees, _LEAST), _MOST)
    return _NAMES + (inside - _LEAST) / (_MOST - _LEAST) * (WIDE - _NAMES - 16)

"""Small figures of lines as SVG, for cards that people read in a browser."""

from collections.abc import Sequence

Point = tuple[float, float]

_SIZE, _LEFT, _TOP, _STRIDE = 220, 52, 40, 310
_INK, _FAINT, _ONE, _OTHER = "#33353a", "#8a8a85", "#2f6fde", "#e2725b"


def line_figure(panels: Sequence[str]) -> str:
    """Panels side by side."""
    drawn = "".join(f'<g transform="translate({_LEFT + i * _STRIDE} {_TOP})">{p}</g>' for i, p in enumerate(panels))
    width, height = len(panels) * _STRIDE, _TOP + _SIZE + 48
    style = f'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12" fill="{_INK}"'
    background = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style}>{background}{drawn}</svg>\n'


def panel(
    title: str,
    across: tuple[str, float],
    top: float,
    one: tuple[str, Sequence[Point]],
    other: tuple[str, Sequence[Point]],
) -> str:
    """Two named curves in a square whose axes begin at zero; the first with dots."""
    name, right = across
    place = lambda p: (p[0] / right * _SIZE, _SIZE - p[1] / top * _SIZE)  # noqa: E731
    shapes = [f'<text y="-22" font-weight="600">{title}</text>', _axes(name, right, top)]
    for i, ((label, points), colour) in enumerate(zip((one, other), (_ONE, _OTHER), strict=True)):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
        dash = ' stroke-dasharray="5 4"' if i else ""
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        shapes.append(_note(i * 105, -6, label, colour=colour))
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_ONE}"/>' for x, y in map(place, one[1]))
    return "".join(shapes) + dots


def _axes(name: str, right: float, top: float) -> str:
    lines = [_note(_SIZE / 2, _SIZE + 30, name, "middle")]
    for k in range(5):
        y = _SIZE * (1 - k / 4)
        lines.append(f'<line x1="0" x2="{_SIZE}" y1="{y}" y2="{y}" stroke="#e3e1db"/>')
        lines.append(_note(-6, y + 4, f"{top * k / 4:.3g}", "end"))
    return "".join([*lines, _note(0, _SIZE + 16, "0"), _note(_SIZE, _SIZE + 16, f"{right:.3g}", "end")])


def _note(x: float, y: float, text: str, anchor: str = "start", colour: str = _FAINT) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="11" fill="{colour}">{text}</text>'

"""The figures of a natural discriminator as one picture: loss, calibration, probability against offset."""

from collections.abc import Sequence

Point = tuple[float, float]

_SIZE, _LEFT, _TOP, _STRIDE = 220, 52, 40, 310
_INK, _FAINT, _ONE, _OTHER = "#33353a", "#8a8a85", "#2f6fde", "#e2725b"


def naturalness_figure(metrics: dict) -> str:
    """An SVG of three panels from the figures of `metrics.json`; everything is of poses that the networks never saw."""
    curve, config = metrics["curve"], metrics["config"]
    epochs = range(1, len(curve["training"]) + 1)
    worst = max(curve["training"] + curve["held_out"])
    half = config["labels"]["half_degrees"]
    farthest = max(row["degrees"] for row in metrics["by_offset"])
    panels = (
        _panel(
            "Loss after each epoch",
            ("epoch", len(epochs)),
            worst,
            ("learned from", list(zip(epochs, curve["training"], strict=True))),
            ("held out", list(zip(epochs, curve["held_out"], strict=True))),
        ),
        _panel(
            "Calibration",
            ("mean prediction", 1.0),
            1.0,
            ("mean label", [(row["predicted"], row["label"]) for row in metrics["calibration"]]),
            ("perfect", [(0, 0), (1, 1)]),
        ),
        _panel(
            "Probability by offset",
            ("offset, degrees r.m.s.", farthest),
            1.0,
            ("prediction", [(row["degrees"], row["predicted"]) for row in metrics["by_offset"]]),
            (f"1 / (1 + (x / {half:g}°)²)", [(x, 1 / (1 + (x / half) ** 2)) for x in _steps(farthest)]),
        ),
    )
    drawn = "".join(f'<g transform="translate({_LEFT + i * _STRIDE} {_TOP})">{p}</g>' for i, p in enumerate(panels))
    width, height = 3 * _STRIDE, _TOP + _SIZE + 48
    style = f'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12" fill="{_INK}"'
    background = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style}>{background}{drawn}</svg>\n'


def _steps(end: float, count: int = 40) -> list[float]:
    return [end * k / count for k in range(count + 1)]


def _panel(
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

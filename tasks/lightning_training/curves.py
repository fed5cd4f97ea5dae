"""The course of a training as a figure: what it cost, and how wrong it was on what it did not learn from."""

import json
from pathlib import Path
from statistics import fmean

from dataset.atomic import atomic_write
from tasks.line_figure import Point, line_figure, panel
from tasks.training_job.job import METRICS

_LOOKED = "val/"
_FROM = 0.05
"""Share of the training that is not shown: its losses are so large that nothing else could be seen."""
_MOST = 60
"""Points of a curve."""


def write_curves(out: Path, errors: tuple[str, str], file: Path) -> bool:
    """Write an SVG of the loss and of two errors in millimetres; False, and no file, where too little was told.

    Args:
        out: the training's folder, docs/training-jobs.md.
        errors: names of two errors of the looks at the validation split, without `val/`.
        file: where to.
    """
    told = _told(out)
    whole = max((line["step"] for line in told), default=0)
    curves = {name: _points(told, name, whole) for name in ("loss", f"{_LOOKED}loss", *(_LOOKED + e for e in errors))}
    if len(curves["loss"]) < 2:
        return False
    across = "step", float(whole)
    panels = [_drawn("Loss", across, ("learnt from", curves["loss"]), ("held out", curves[f"{_LOOKED}loss"]))]
    looked = [(name.removesuffix("_mm").replace("_", "-"), curves[_LOOKED + name]) for name in errors]
    if all(points for _, points in looked):
        panels.append(_drawn("Held out, mm", across, *looked))
    atomic_write(file, line_figure(panels))
    return True


def _drawn(title: str, across: tuple[str, float], *named: tuple[str, list[Point]]) -> str:
    curves = [(name if points else "", _thinned(points)) for name, points in named]
    top = max(y for _, points in curves for _, y in points)
    return panel(title, across, top or 1.0, *curves)


def _thinned(points: list[Point]) -> list[Point]:
    """Means of as many neighbours as leave at most `_MOST` points."""
    together = -(-len(points) // _MOST) or 1
    groups = [points[first : first + together] for first in range(0, len(points), together)]
    return [(fmean(x for x, _ in group), fmean(y for _, y in group)) for group in groups]


def _points(told: list[dict], name: str, whole: int) -> list[Point]:
    return [(line["step"], line[name]) for line in told if name in line and line["step"] >= _FROM * whole]


def _told(out: Path) -> list[dict]:
    """Lines of the metrics; of a step that was done twice, the later."""
    lines: dict[tuple[int, bool], dict] = {}
    for text in (out / METRICS).read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # the end of a process that was killed
            continue
        if "step" in line:
            lines[line["step"], any(name.startswith(_LOOKED) for name in line)] = line
    return [lines[key] for key in sorted(lines)]

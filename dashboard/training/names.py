"""Names of metrics as docs/training-jobs.md has them: where measured, in which unit, and which way is better."""

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dashboard.training.curves import CurveView
from dashboard.wording import number

_SPLITS = {"val": "validation", "test": "test", "train": "training"}
_UNITS = {
    "mm": "mm",
    "cm": "cm",
    "deg": "°",
    "px": "px",
    "percent": "%",
    "seconds": "s",
    "gib": "GiB",
    "mib": "MiB",
    "watts": "W",
}
_HIGHER = re.compile(r"AUC|IoU|PCK|accuracy|precision|recall", re.IGNORECASE)
_LOWER = re.compile(
    r"^loss(/|$)|MPJPE|MPVPE|MRRPE|RRVE|FHID|KHID|FID|collision|penetration|error|CDev|NLL", re.IGNORECASE
)
_FIRST = ("MPJPE", "MPVPE", "FHID")
_BOOKKEEPING = frozenset(("epoch", "seconds", "world"))
"""What tells how far the training is, and needs no curve."""


class Metric(NamedTuple):
    """What a metric's name says."""

    name: str
    split: str
    """Empty: of the training itself."""
    base: str
    """Without the split."""
    title: str
    """Without split and unit, as people read it."""
    unit: str
    better: Literal["lower", "higher", ""]

    @property
    def is_bookkeeping(self) -> bool:
        """Whether it is no measure of the network."""
        return self.name in _BOOKKEEPING


def metric(name: str) -> Metric:
    """Of a name such as `val/MPJPE_mm`."""
    first, _, rest = name.partition("/")
    split, base = (first, rest) if rest and first in _SPLITS else ("", name)
    stem, _, suffix = base.rpartition("_")
    if base.endswith("_per_second"):
        stem, unit = base, "/s"
    else:
        unit = _UNITS.get(suffix, "") if stem else ""
    title = (stem if unit else base).replace("_", " ")
    better = "higher" if _HIGHER.search(base) else "lower" if _LOWER.search(base) else ""
    return Metric(name, "" if split == "train" else split, base, title, unit, better)


def spoken(split: str) -> str:
    """Where something was measured."""
    return _SPLITS.get(split, "training")


def headline(curves: Mapping[str, CurveView]) -> str:
    """The metric by which a training is judged first: of the joints or of the distribution, else any of validation."""
    names = [name for name, curve in curves.items() if curve.bins and metric(name).split]
    for wanted in _FIRST:
        for name in names:
            if metric(name).title.startswith(wanted):
                return name
    rest = sorted(names, key=lambda name: metric(name).base.startswith("loss"))
    return rest[0] if rest else ""


def ordered(curves: Mapping[str, CurveView]) -> list[Metric]:
    """The loss and its parts, then what was measured on other poses or images, then the rest by name."""
    return sorted(map(metric, curves), key=lambda one: (_rank(one), one.name.lower()))


def _rank(one: Metric) -> int:
    if one.is_bookkeeping:
        return 9
    is_loss = one.base == "loss" or one.base.startswith("loss/")
    if is_loss:
        return (0 if one.base == "loss" else 2) + bool(one.split)
    return 4 if one.split else 5


def figure(value: float | None, unit: str = "") -> str:
    """Four figures; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    text = number(value) if 1000 <= size < 1e12 else f"{value:.4g}"
    if 0 < size < 1e-3 or size >= 1e12:
        text = f"{value:.3g}"
    return f"{text}{unit}" if unit in ("°", "/s") else f"{text} {unit}" if unit else text

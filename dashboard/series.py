"""Curves as a page hands them to its script."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Number = float | None


@dataclass(frozen=True)
class Series:
    """Curves over one axis, drawn by `static/series.js`. All lists are equally long; None is a gap."""

    id: str
    """Of its element: the same on every refresh."""
    x: Sequence[float]
    """Seconds since 1970 when `axis` is time, else any number; ascending."""
    curves: Mapping[str, Sequence[Number]]
    """Name to values."""
    unit: str = ""
    """Of the values."""
    axis: Literal["time", "number"] = "time"
    label: str = ""
    """What x counts, when it is a number."""
    least: Number = None
    """The value axis reaches at least down to it."""
    most: Number = None
    """The value axis reaches at least up to it."""
    marks: Mapping[str, float] = field(default_factory=dict)
    """Name to a value at which a dashed line lies, such as a limit."""
    log: bool = False
    """Whether the value axis is logarithmic."""
    empty: str = "Nothing to draw yet."
    """What stands in the place of a chart without points."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not len(self.x) or all(value is None for values in self.curves.values() for value in values)

    @property
    def json(self) -> str:
        """For the element's `data-series`."""
        content = {
            "x": [round(float(x), 3) for x in self.x],
            "curves": {name: [_number(value) for value in values] for name, values in self.curves.items()},
            "unit": self.unit,
            "time": self.axis == "time",
            "label": self.label,
            "least": self.least,
            "most": self.most,
            "marks": dict(self.marks),
            "log": self.log,
        }
        return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _number(value: Number) -> Number:
    """None for what JSON cannot say."""
    return None if value is None or value != value or abs(value) == float("inf") else float(f"{value:.6g}")

"""Numbers as people read them."""

import math
from collections.abc import Callable

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def number(value: float | None, digits: int = 0) -> str:
    """With commas between thousands: 12,345; a dash for what is not known."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def rate(per_second: float | None) -> str:
    """Things a second in three figures; below one in ten seconds, a minute or an hour."""
    if per_second is None or not math.isfinite(per_second):
        return "–"
    for factor, unit in ((1, "/s"), (60, "/min"), (3600, "/h")):
        if per_second * factor >= 0.95 or unit == "/h":
            value = per_second * factor
            return f"{value:.{max(0, 2 - int(math.log10(max(value, 1))))}f}{unit}" if value else f"0{unit}"
    raise AssertionError


def share(part: float | None, whole: float | None = 1) -> str:
    """Percent; a dash when there is no whole."""
    if part is None or not whole or not math.isfinite(part / whole):
        return "–"
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"


def duration(seconds: float | None) -> str:
    """The two largest units: 2 d 3 h, 4 min 10 s."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    seconds = max(0, round(seconds))
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{value} {unit}" for value, unit in parts[:2] if value or unit == parts[0][1])


def size(count: float | None) -> str:
    """Bytes in decimal units."""
    if count is None:
        return "–"
    step = min(int(math.log10(count) // 3), len(_UNITS) - 1) if count >= 1 else 0
    return f"{count / 1000**step:.{0 if step == 0 else 1}f} {_UNITS[step]}"


def count(value: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 worker, 3 workers."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


FILTERS: dict[str, Callable] = {
    "number": number,
    "rate": rate,
    "share": share,
    "duration": duration,
    "size": size,
    "count": count,
}
"""For templates."""

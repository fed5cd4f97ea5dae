"""Numbers as people read them."""

import math

FINEST = 0.001
"""Differences below this mean nothing in any of the numbers that are shown."""


def size(count: float) -> str:
    """Bytes with three digits: 1.23 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def short(count: int) -> str:
    """A count as the paper writes it: 243K, 2.6M; below a thousand in full."""
    for unit, limit in (("M", 1_000_000), ("K", 1000)):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return str(count)


def share(fraction: float) -> str:
    """A percentage with as many digits as it deserves; what is not nothing never reads as 0, nor what is not all as 100."""
    if 0 < fraction < 0.001:
        return "< 0.1 %"
    if 0.999 < fraction < 1:
        return "> 99.9 %"
    digits = 0 if fraction in (0, 1) or 0.1 <= fraction <= 0.9 else 1
    return f"{100 * fraction:.{digits}f} %"


def measured(value: float, spread: float, unit: str = "") -> str:
    """A number with its unit, as exact as three digits of `spread` are, and no finer than a thousandth."""
    if not math.isfinite(value):
        return "–"
    digits = min(max(2 - math.floor(math.log10(spread)), 0), 3) if 0 < spread < math.inf else 2
    rounded = round(value, digits) + 0.0
    text = f"{rounded:,.0f}" if rounded == round(rounded) else f"{rounded:,.{digits}f}"
    return text.replace("-", "−") + ("" if unit in ("", "°") else " ") + unit


def plural(count: int, noun: str) -> str:
    """`1 image`, `2,000 images`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")

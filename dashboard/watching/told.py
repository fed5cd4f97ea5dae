"""What a record or a line of a history tells, whatever a broken or another version's writer has left in it."""

import math
import re
from collections.abc import Mapping
from typing import Any

_LONGEST = 500
"""Characters of a text."""


def number(record: Mapping[str, Any], name: str) -> float:
    """A field as a number that is not below 0; 0 for what is none."""
    return known_number(record, name) or 0.0


def known_number(record: Mapping[str, Any], name: str) -> float | None:
    """A field as a number that is not below 0; None for what is none."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def text(record: Mapping[str, Any], name: str) -> str:
    """A field as text of a bearable length; empty for what is none."""
    value = record.get(name)
    return value[:_LONGEST] if isinstance(value, str) else ""


def numbers(record: Mapping[str, Any], name: str) -> dict[str, float]:
    """A field that maps names to numbers; those that are none are left out."""
    value = part(record, name)
    found = {key: known_number(value, key) for key in value if isinstance(key, str)}
    return {key: one for key, one in found.items() if one is not None}


def part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A field that is a record itself; empty for what is none."""
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def parts(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A field that is a list of records; what is none is left out."""
    value = record.get(name)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def in_order(name: str) -> list[tuple[int, str]]:
    """Sorts names as people do: node2 before node10."""
    return [(int(digits), "") if digits.isdecimal() else (-1, digits) for digits in re.split(r"(\d{1,18})", name)]


def device_of(record: Mapping[str, Any]) -> str:
    """What a worker draws or computes on; Blender and torch write the processor differently."""
    told = text(record, "device").strip()
    return "CPU" if told.lower() == "cpu" else told or "unnamed device"

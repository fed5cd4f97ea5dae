"""Which images a person looks at, and in which order: from an address to SQL and back."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

_LONGEST = 200
"""Characters of a text that are taken from an address."""
_SEEDS = 2**31

_TEXTS = {
    "environment": "hdri = $environment",
    "skin": "(skin_right = $skin OR skin_left = $skin)",
    "split": "split = $split",
    "viewpoint": "viewpoint = $viewpoint",
    "source": "source = $source",
    "base_pose": "base_pose = $base_pose",
    "pose": "pose_id = $pose",
    "find": "starts_with(lower(sample_id), lower($find))",
}
_SEEN = "100 * least(visible_right, visible_left)"
_NUMBERS = {
    "vertices": "contact_vertices >= $vertices",
    "visible_from": f"{_SEEN} >= $visible_from",
    "visible_to": f"{_SEEN} <= $visible_to",
    "deep_from": "max_penetration_mm >= $deep_from",
    "deep_to": "max_penetration_mm <= $deep_to",
}
_CONTACTS = {"touching": "contact_vertices > 0", "none": "contact_vertices = 0"}
_NEWEST = "-((arrived::BIGINT << 32) + number)"
_RANDOM = "hash(sample_id, $seed)"


@dataclass(frozen=True)
class Choice:
    """Filters and order. What is empty or None is not asked for."""

    environment: str = ""
    skin: str = ""
    """Of either hand."""
    split: str = ""
    viewpoint: str = ""
    source: str = ""
    base_pose: str = ""
    pose: str = ""
    find: str = ""
    """Beginning of a sample's name."""
    contact: str = ""
    """`touching`, `none`, or any."""
    vertices: float | None = None
    """Of both hands that touch, at least."""
    visible_from: float | None = None
    """Percent that can be seen of the hand of which less can be seen."""
    visible_to: float | None = None
    deep_from: float | None = None
    """Depth of one hand inside the other, mm."""
    deep_to: float | None = None
    order: str = "newest"
    """`newest` or `random`."""
    seed: int = 0
    """Of the random order: the same gives the same order as long as the images are the same."""

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Choice":
        """What an address asks for; what cannot be meant is left out."""
        texts = {name: asked[name].strip()[:_LONGEST] for name in _TEXTS if name in asked}
        numbers = {name: _number(asked[name]) for name in _NUMBERS if name in asked}
        contact = asked.get("contact", "") if asked.get("contact") in _CONTACTS else ""
        order = "random" if asked.get("order") == "random" else "newest"
        seed = int(_number(asked.get("seed", "")) or 0) % _SEEDS if order == "random" else 0
        return cls(**texts, **numbers, contact=contact, order=order, seed=seed)

    @property
    def query(self) -> dict[str, str]:
        """For an address: only what differs from the default."""
        default = {field.name: field.default for field in fields(self)}
        return {name: _text(value) for name, value in asdict(self).items() if value != default[name]}

    @property
    def filters(self) -> dict[str, str]:
        """`query` without the order."""
        return {name: value for name, value in self.query.items() if name not in ("order", "seed")}

    def without(self, name: str) -> "Choice":
        """The same with a filter less."""
        return replace(self, **{name: type(self).__dataclass_fields__[name].default})

    @property
    def where(self) -> str:
        """SQL condition on `samples`; its values are those of `values`."""
        asked = self.filters
        parts = [sql for name, sql in (_TEXTS | _NUMBERS).items() if name in asked]
        parts += [_CONTACTS[self.contact]] if self.contact else []
        return " AND ".join(parts) or "TRUE"

    @property
    def key(self) -> str:
        """SQL of a number by which images are in order; no two have the same."""
        return _RANDOM if self.order == "random" else _NEWEST

    @property
    def values(self) -> dict[str, Any]:
        """Of the parameters in `where` and `key`."""
        named = {name: getattr(self, name) for name in self.filters if name != "contact"}
        return named | ({"seed": self.seed} if self.order == "random" else {})


def _number(text: str) -> float | None:
    """A number that is not negative, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return min(value, 1e9) if math.isfinite(value) and value >= 0 else None


def _text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)

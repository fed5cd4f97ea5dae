"""The figures and histograms of the quality page, each with a sentence that says what is good."""

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.quality.charts import Card, Limit, card, three
from dashboard.rows.light import BRIGHT, DARK
from dashboard.rows.photos import Photos
from dashboard.settings import Alarms
from dashboard.wording import count, number, share
from dataset.inspection.sampling import Distribution

POSES = {
    "depth": "max_penetration_mm",
    "distance": "min_distance_mm",
    "contact": "contact_vertices",
    "excess": "limit_excess_deg",
    "natural": "naturalness",
    "forearm": "forearm_depth_mm",
}
"""Figures of a pose: name to SQL."""
HAND = {"visible": "visible", "joints": "joints"}
"""Figures of a hand in an image."""
IMAGE = {"less": "least(visible_right, visible_left)", "seconds": "seconds"}
"""Figures of an image."""
PHOTO = {name: name for name in ("light", "hand_light", "contrast", "dark_share", "bright_share", "sharpness")}
"""Figures of a picture that was looked at."""

Numbers = Mapping[str, Distribution]
Allowed = Mapping[str, float]
"""What the run's own validation allows, by the name of the setting; empty when that is not known."""


@dataclass(frozen=True)
class Tile:
    """A figure at the head of the page."""

    name: str
    value: str
    note: str = ""
    kind: str = ""
    """`bad` when it is off."""


@dataclass(frozen=True)
class Counts:
    """Rows of which something holds."""

    poses: int
    deep: int
    """Poses deeper than the alarm's limit."""
    touching: int
    """Poses whose hands touch."""
    refused: int
    """Optimised poses that were refused."""
    black: int
    """Pictures that were looked at and show nothing."""


def tiles(
    poses: Numbers, hands: Numbers, seconds: Distribution, counts: Counts, photos: Photos, alarms: Alarms
) -> list[Tile]:
    """The most important figures; see `POSES` and `HAND`."""
    depth, natural, visible, joints = poses["depth"], poses["natural"], hands["visible"], hands["joints"]
    tried, deepest = counts.poses + counts.refused, alarms.penetration_mm
    told = (
        f"deepest; {number(counts.deep)} beyond {deepest:g} mm"
        if deepest
        else f"deepest; median {three(depth.median, 'mm')}"
    )
    off = bool(alarms.black and photos.seen and counts.black > alarms.black * photos.seen)
    return [
        Tile("Poses accepted", number(counts.poses), f"{share(counts.refused, tried)} were refused" if tried else ""),
        Tile("Penetration", three(depth.high, "mm"), told if depth.count else "", "bad" if deepest and counts.deep else ""),
        Tile("Touching", share(counts.touching, counts.poses), "of the poses" if counts.poses else ""),
        Tile("Naturalness", three(natural.median), f"median; least {three(natural.low)}" if natural.count else ""),
        Tile("Hand visible", share(visible.median), f"median; {three(joints.median)} of 21 joints" if joints.count else ""),
        Tile("Nearly black", share(counts.black, photos.seen), _looked(photos), "bad" if off else ""),
        Tile("Seconds an image", three(seconds.mean), f"mean; median {three(seconds.median)}" if seconds.count else ""),
    ]  # fmt: skip


def _looked(photos: Photos) -> str:
    if photos.seen:
        return f"of {count(photos.seen, 'picture')} looked at"
    return "no picture to look at" if photos.empty or photos.broken else "none looked at yet"


def pose_cards(poses: Numbers, counts: Counts, allowed: Allowed, alarms: Alarms) -> list[Card]:
    """Histograms of accepted poses."""
    depth, limit = poses["depth"], alarms.penetration_mm
    inside = f"{share(depth.count - counts.deep, depth.count)} within {limit:g} mm" if limit and depth.count else ""
    most = allowed.get("max_penetration_mm")
    none = "" if most is None else f", and none beyond the {most:g} mm that validation allows"
    rule = lambda name, unit: Limit(f"allowed {allowed[name]:g}{unit}", allowed[name]) if allowed.get(name) else None  # noqa: E731
    return [
        card("Deepest penetration", depth, "mm",
             f"Good: most at 0{none}. A hand inside the other shows in pictures.",
             Limit(f"alarm {limit:g} mm", limit) if limit else None, inside),
        card("Hand distance", poses["distance"], "mm",
             "Good: mostly 0 to 3 mm, for hands that interact. Far to the right the hands have little to do with each other.",
             rule("max_distance_mm", " mm")),
        card("Touching vertices", poses["contact"], "",
             "Within 3 mm of the other hand, of both hands. Good: few poses at 0, and a wide range, from fingertip to clasp.",
             rule("min_contact_vertices", "")),
        card("Excess of joint limits", poses["excess"], "°",
             "Good: 0 for all. Beyond it a joint bends further than anatomy allows.",
             rule("max_limit_excess_deg", "°"), _greatest(poses["excess"], "°")),
        card("Naturalness", poses["natural"], "",
             "How probable it is that people make this pose, of the less natural hand. Good: most above ½, no heap near 0.",
             rule("min_naturalness", "")),
        card("Forearm depth", poses["forearm"], "mm",
             "How deep a forearm is in the other arm or hand, roughly. Good: 0 for most; deep ones may show in pictures.",
             rule("max_forearm_depth_mm", " mm"), _greatest(poses["forearm"], "mm")),
    ]  # fmt: skip


def _greatest(numbers: Distribution, unit: str) -> str:
    return f"up to {three(numbers.high, unit)}" if numbers.count else ""


def hand_cards(hands: Numbers, less: Distribution) -> list[Card]:
    """Histograms of what images show of each hand; `less` is the visible part of the less visible one."""
    return [
        card("Visible part of a hand", hands["visible"].times(100), "%",
             "Two numbers an image, one for each hand. Good: most above half, and a tail of hidden hands to learn from."),
        card("The less visible hand", less.times(100), "%",
             "One number an image. Good: wide; a heap at 0 means images that show one hand only."),
        card("Visible joints of a hand", hands["joints"], "",
             "Of 21. Good: many at 15 and more; a heap at 0 means hands that are hidden or outside the image."),
    ]  # fmt: skip


def photo_cards(looked: Numbers) -> list[Card]:
    """Histograms of the pictures that were looked at."""
    return [
        card("Light", looked["light"].times(100), "%",
             "Mean level of a picture; 100 % is white. Good: a broad hill. A heap at 0 is black pictures, at 100 burnt ones."),
        card("Light on the hands", looked["hand_light"].times(100), "%",
             "The same of the hands alone. Good: broad, since skins differ, with hardly any below 10 %."),
        card("Contrast", looked["contrast"].times(100), "%",
             "Standard deviation of the levels. Good: 10 to 30 % for most; near 0 a picture is of one colour."),
        card("Dark pixels", looked["dark_share"].times(100), "%",
             f"At level {DARK} of 255 or below, without detail. Good: near 0 for most; environments at night have more."),
        card("Bright pixels", looked["bright_share"].times(100), "%",
             f"At level {BRIGHT} of 255 or above, without detail. Good: near 0 for most; a white wall or the sky has more."),
        card("Sharpness", looked["sharpness"], "",
             "How much neighbouring pixels differ, as a part of the contrast. Good: one hill; a second is noise or blur."),
    ]  # fmt: skip

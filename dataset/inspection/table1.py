"""A row like RenderIH's Table 1, every entry computed from the data, beside the paper's own."""

import html
from dataclasses import dataclass

from dataset.inspection.images import INTERACTING_MM
from dataset.inspection.statistics import Inspection
from dataset.inspection.wording import plural, share, short

COLUMNS = ("Dataset", "Type", "Data size", "MT", "AP", "background", "illumination", "Hand type", "IH size")
PAPER = ("RenderIH (the paper)", "synthetic", "1M", "✓", "✓", "HDR scenes", "dynamic", "IH", "1M")
NOTE = (
    "MT: multi-textures, more than one skin. AP: anti-penetration, no accepted pose deeper than 2 mm. "
    f"Hand type IH: hand to hand. IH size: images whose hands touch or are at most {INTERACTING_MM:g} mm apart (s of Eq. 5)."
)
AP_LIMIT_MM = 2.0
"""Depth up to which a pose counts as free of penetration: what validation accepts by default."""


@dataclass(frozen=True)
class Entry:
    """One cell: what it says, and what it was computed from."""

    text: str
    because: str = ""

    def html(self) -> str:
        """The cell with its reason below, in small letters."""
        below = f"<small>{html.escape(self.because)}</small>" if self.because else ""
        return html.escape(self.text) + below


def table1(found: Inspection) -> list[Entry]:
    """The entries in the order of `COLUMNS`."""
    images, environments = found.rows["images"], found.counts.names["environments"].distinct
    skins = found.counts.names["skins"].distinct
    deepest = found.poses.numbers["max_penetration_mm"].high
    return [
        Entry(found.name),
        Entry("synthetic", "Cycles renderings"),
        Entry(short(images), plural(images, "image")),
        Entry(_mark(skins > 1), plural(skins, "skin")),
        Entry(_mark(deepest <= AP_LIMIT_MM), f"deepest {deepest:.2g} mm" if found.rows["poses"] else "no pose"),
        Entry("HDR scenes" if images else "–", plural(environments, "environment")),
        Entry(*_illumination(found)),
        Entry("IH", "two hands in every image"),
        Entry(
            short(found.images.interacting),
            f"{share(found.images.interacting / images)} of the images" if images else "",
        ),
    ]


def _illumination(found: Inspection) -> tuple[str, str]:
    """Dynamic when the environment, its turn or its strength differ between images."""
    light = [found.images.numbers[name] for name in ("hdri_rotation", "hdri_strength")]
    turned, dimmed = (numbers.count > 0 and numbers.high > numbers.low for numbers in light)
    varied = {"environment": found.counts.names["environments"].distinct > 1, "turn": turned, "strength": dimmed}
    told = [name for name, varies in varied.items() if varies]
    if not told:
        return "uniform", "one light"
    return "dynamic", f"{', '.join(told)} {'varies' if len(told) == 1 else 'vary'}"


def _mark(holds: bool) -> str:
    return "✓" if holds else "✗"

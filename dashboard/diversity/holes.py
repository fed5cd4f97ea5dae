"""What a dataset lacks, in sentences that say what to do, the most important first.

Chance leaves gaps in few images: something counts as missing only where even use would have given it `ENOUGH` images or more,
of which chance leaves none in one case of three thousand.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dashboard.diversity.coverage import BANDS, EGOCENTRIC, SECTORS, TURNS, Coverage, Kind, Use
from dashboard.watching.told import known_number, part
from dashboard.wording import count, number, share

ENOUGH = 8
"""Images that a place or a thing would have if all were used alike, from which it is judged."""
RARE = 1 / 3
"""Share of even use below which something counts as rare."""
NARROW = 0.6
"""Share of its allowed range below which an angle counts as hardly moved."""
LOWEST_TRACK = -20.0
"""Elevation in degrees of the lowest circle on which cameras stand, see docs/views.md."""
DIRECTIONS = BANDS * SECTORS
_SIDES = {0: "the far side", 3: "the person's left", 6: "the person's own side", 9: "the person's right"}
_SHOWN = 4


@dataclass(frozen=True)
class Hole:
    """Something that is missing or rare."""

    level: Literal["late", "note"]
    """`late` is worth mending; `note` is as the configuration wants it, or too small to matter."""
    weight: float
    """How much is missing, 0 to 1."""
    sentence: str
    remedy: str
    """What to do."""


@dataclass(frozen=True)
class Narrow:
    """A joint angle that hardly moves in the poses; degrees."""

    name: str
    low: float
    high: float
    allowed: tuple[float, float]


def holes(found: Coverage, config: Mapping[str, Any], angles: Sequence[Narrow] = (), listed: int = 0) -> list[Hole]:
    """Everything that is missing.

    Args:
        found: what is there.
        config: of the run; empty when there is no single one.
        angles: those that hardly move.
        listed: environments of `hdri_manifest.yaml`.
    """
    every = [
        *_single_environments(found),
        *_directions(found, config),
        *_named(found, "environments", found.environments),
        *_named(found, "skins", found.skins),
        *_bases(found),
        *_light(found),
        *_angles(angles),
        *_listed(found, listed),
    ]
    return sorted(every, key=lambda hole: (hole.level != "late", -hole.weight))


def too_few(found: Coverage) -> str:
    """What cannot be judged yet, and from when on; empty when everything can."""
    if found.images >= ENOUGH * DIRECTIONS:
        return ""
    return (
        f"{count(found.images, 'image')} are too few to judge each of the {DIRECTIONS} directions "
        f"(from {ENOUGH * DIRECTIONS:,} on) or things that a handful of images would show."
    )


def narrow_angles(
    lows: Sequence[float], highs: Sequence[float], names: Sequence[str], allowed: Sequence[tuple[float, float]]
) -> list[Narrow]:
    """Angles of which less than `NARROW` of the allowed range is used, the least used first."""
    ranges = [Narrow(*of) for of in zip(names, lows, highs, allowed, strict=True)]
    return sorted((angle for angle in ranges if _used(angle) < NARROW), key=_used)


def _used(angle: Narrow) -> float:
    low, high = angle.allowed
    return max(min(angle.high, high) - max(angle.low, low), 0.0) / max(high - low, 1e-9)


def _single_environments(found: Coverage) -> Iterator[Hole]:
    for split, (images, more) in found.splits.items():
        names = [use.name for use in found.environments.uses if use.split == split]
        if len(names) == 1 and images + more >= ENOUGH:
            yield Hole(
                "late",
                1.0,
                f"All {count(images + more, 'image')} of {split} are lit by one environment, {names[0]}: they tell "
                "nothing of other surroundings.",
                f"`render-ih assets pull --split {split}` brings more, for the next run.",
            )


def _directions(found: Coverage, config: Mapping[str, Any]) -> Iterator[Hole]:
    if found.viewpoints and set(found.viewpoints) == {EGOCENTRIC}:
        yield Hole(
            "note",
            0.0,
            "All cameras are where the person's own eyes are, so other directions are empty.",
            "A lower `camera.egocentric` gives views from around the hands too.",
        )
        return
    empty, total = found.cameras == 0, int(found.cameras.sum())
    below = _run_of(empty.all(1))
    above = 0 if below == BANDS else _run_of(empty.all(1)[::-1])
    for bands, side in ((below, "below"), (above, "above")):
        if bands and total * bands / BANDS >= ENOUGH:
            yield _polar(found, config, bands, side)
    inner = empty[below : BANDS - above]
    if not len(inner):
        return
    first, width = _arc(inner.all(0))
    if width and total * width / SECTORS >= ENOUGH:
        yield _side(found, first, width, width * len(inner))
    else:
        width = 0
    rest = int(inner.sum()) - width * len(inner)
    if rest and total >= ENOUGH * DIRECTIONS:
        yield Hole(
            "late",
            rest / DIRECTIONS,
            f"{rest} of {DIRECTIONS} directions between those are empty, though even use would give each "
            f"{number(total / DIRECTIONS)} images.",
            "The map of directions shows which; a larger `camera.track_jitter` fills gaps between tracks.",
        )


def _run_of(empty: Sequence[bool]) -> int:
    """How many at the beginning are empty."""
    full = np.flatnonzero(~np.asarray(empty))
    return int(full[0]) if len(full) else len(empty)


def _arc(empty: Sequence[bool]) -> tuple[int, int]:
    """First of the longest circle segment of empty sectors, and how many there are."""
    best, size = (0, 0), len(empty)
    for first in range(size):
        turned = np.roll(np.asarray(empty), -first)
        if (width := _run_of(turned)) > best[1]:
            best = (first, width)
    return best


def _run_again(found: Coverage) -> str:
    return (
        f"{count(found.to_come, 'planned image')} are still to come and may fill it."
        if found.to_come
        else "More images (`augmentation.copies`, `camera.views`) of a run of other seed, merged, fill it."
    )


def _polar(found: Coverage, config: Mapping[str, Any], bands: int, side: Literal["below", "above"]) -> Hole:
    edge = 2 * bands / BANDS - 1
    elevation = math.degrees(math.asin(edge if side == "below" else -edge))
    jitter = known_number(part(config, "camera"), "track_jitter")
    meant = side == "below" and jitter is not None and elevation <= LOWEST_TRACK - jitter + 1e-6
    directions = bands * SECTORS
    sentence = (
        f"No camera looks from {side} {_degrees(elevation)} elevation "
        f"({directions} of {DIRECTIONS} directions, {share(directions, DIRECTIONS)} of the sphere)."
    )
    remedy = (
        f"The lowest track lies at {_degrees(LOWEST_TRACK)}, so no number of images fills it; fine unless your cameras "
        "stand there."
        if meant
        else _run_again(found)
    )
    return Hole("note" if meant else "late", bands / BANDS, sentence, remedy)


def _side(found: Coverage, first: int, width: int, directions: int) -> Hole:
    middle = (first + (width - 1) / 2) % SECTORS
    name = _SIDES[min(_SIDES, key=lambda sector: min(abs(sector - middle), SECTORS - abs(sector - middle)))]
    sentence = (
        f"No camera looks from {name}: {width * 360 // SECTORS}° of azimuth are empty "
        f"({directions} of {DIRECTIONS} directions)."
    )
    return Hole("late", directions / DIRECTIONS, sentence, _run_again(found))


def _named(found: Coverage, what: str, kind: Kind) -> Iterator[Hole]:
    every = [use for use in kind.uses if not use.split or use.split in found.splits]
    unused = [use for use in every if not use.found]
    coming, never = [u for u in unused if u.to_come], [u for u in unused if not u.to_come]
    if coming:
        sentence = f"{len(coming)} of {len(every)} {what} are only in images that are still to come{_list(coming)}."
        yield Hole("note", len(coming) / len(every), sentence, "Nothing to do: they are planned.")
    judged = [use for use in never if use.expected >= ENOUGH]
    if judged and found.is_final:
        sentence = (
            f"{len(judged)} of {len(every)} {what} {'is' if len(judged) == 1 else 'are'} in no image{_list(judged)}."
        )
        remedy = f"A run with `{_SETTING[what]}` set to them, merged, adds them."
        yield Hole("late", len(judged) / len(every), sentence, remedy)
    elif never:
        sentence = (
            f"{len(never)} of {len(every)} {what} {'is' if len(never) == 1 else 'are'} in no image yet{_list(never)}."
        )
        why = "The images are too few for all of them." if found.is_final else "Not every image is planned yet."
        yield Hole("note", len(never) / len(every), sentence, why)
    rare = [use for use in every if 0 < use.found + use.to_come < RARE * use.expected and use.expected >= 2 * ENOUGH]
    if rare and found.is_final:
        sentence = f"{len(rare)} of {len(every)} {what} have less than a third of an even share{_list(rare, True)}."
        yield Hole("late", len(rare) / len(every) / 2, sentence, f"Name them in `{_SETTING[what]}` of a run to merge.")


_SETTING = {"environments": "environments.ids", "skins": "skins.names"}


def _bases(found: Coverage) -> Iterator[Hole]:
    without = [use for use in found.bases.uses if not use.found]
    if without and found.is_final:
        every = len(found.bases.uses)
        sentence = f"{len(without)} of {every} base poses have no accepted pose{_list(without)}."
        yield Hole(
            "late", len(without) / every, sentence, "Why they were refused: see Quality, or `render-ih inspect`."
        )


def _light(found: Coverage) -> Iterator[Hole]:
    first, width = _arc(found.turns == 0)
    if width and found.turns.sum() * width / TURNS >= ENOUGH:
        sentence = f"The light never comes turned by {first * 360 // TURNS}° to {(first + width) * 360 // TURNS}°."
        yield Hole("late", width / TURNS, sentence, _run_again(found))


def _angles(angles: Sequence[Narrow]) -> Iterator[Hole]:
    for angle in angles[:3]:
        sentence = (
            f"{angle.name.capitalize()} stays between {_degrees(angle.low)} and {_degrees(angle.high)}; "
            f"{_degrees(angle.allowed[0])} to {_degrees(angle.allowed[1])} is possible."
        )
        yield Hole("late", (1 - _used(angle)) / 20, sentence, "Other base poses, or a larger `augmentation`, move it.")


def _listed(found: Coverage, listed: int) -> Iterator[Hole]:
    mine = len(found.environments.uses)
    if listed and 0 < mine < listed / 2:
        sentence = f"The run may use {count(mine, 'environment')}; {listed:,} are listed."
        yield Hole("note", 1 - mine / listed, sentence, "`render-ih assets pull` brings the others, for the next run.")


def _list(uses: Sequence[Use], counted: bool = False) -> str:
    ordered = sorted(uses, key=lambda use: (use.found, use.name)) if counted else uses
    names = [f"{use.name} ({use.found:,})" if counted else use.name for use in ordered[:_SHOWN]]
    more = f" and {len(uses) - _SHOWN:,} more" if len(uses) > _SHOWN else ""
    return f": {', '.join(names)}{more}" if names else ""


def _degrees(value: float) -> str:
    return f"{round(value) + 0:.0f}°".replace("-", "−")

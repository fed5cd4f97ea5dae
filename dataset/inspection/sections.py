"""The sections of the page: which chart shows what, and the sentence below it."""

import html
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Int

from dataset.inspection import table1
from dataset.inspection.charts import WIDE, Colours, bars, card, histogram, nothing, stacked, table, values_of
from dataset.inspection.counts import OWNED, Names, Refusal, split_order
from dataset.inspection.images import EGOCENTRIC, ImageFacts
from dataset.inspection.plots import DOTS, angle_bands, hemispheres, scatter
from dataset.inspection.poses import MAPPED, PoseFacts
from dataset.inspection.postures import FEWEST, NEAR_MM, AngleRanges, Postures
from dataset.inspection.sampling import Distribution
from dataset.inspection.statistics import PAPER_ACCEPTANCE, Inspection
from dataset.inspection.storage import LISTS
from dataset.inspection.wording import measured, plural, share, size
from hands.joints import JOINTS_21

_STATES: Colours = (
    ("visible", "good"),
    ("hidden by the same hand", "warm"),
    ("hidden by the other hand", "hot"),
    ("outside the image", "none"),
)
_HANDS: Colours = (
    ("allowed", "allowed"),
    ("right hand", "right"),
    ("left hand", "left"),
)
_KINDS = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8")
MANY_ZEROS = 0.1
"""Share of zeros from which it is said beside a distribution."""
_STEPS = {
    "read": "reading, of base poses",
    "validate": "validation, of optimised poses",
    "plan": "planning, of views",
    "render": "rendering, of images",
}
"""Step to what it decides on, in the order of the pipeline."""
_OTHER_HAND = "The dataset was made with another hand model; name its folder with --mano DIR to see its postures."


def table_1(found: Inspection) -> str:
    """The dataset in the terms of the paper's Table 1."""
    ours = [entry.html() for entry in table1.table1(found)]
    return (
        table(table1.COLUMNS, [ours, table1.PAPER], numbers=False) + f'<p class="note">{html.escape(table1.NOTE)}</p>'
    )


def poses(found: Inspection) -> str:
    """Postures and how the hands meet."""
    numbers, seen = found.poses.numbers, found.postures
    large = [
        card("Poses by t-SNE", *pose_map(found.poses, seen)),
        card("Joint angles against Table 2", *angles(found.poses, seen)),
    ]
    small = [
        spread("Contact", numbers["contact_vertices"], "vertices", "within 3 mm of the other hand, or inside it"),
        spread("Distance between the hands", numbers["min_distance_mm"], "mm", "smallest, per pose"),
        spread("Penetration", numbers["max_penetration_mm"], "mm", "deepest, per pose"),
        spread("Joint limits", numbers["limit_excess_deg"], "°", "largest excess over a limit, per pose"),
        spread(
            "Naturalness", numbers["naturalness"], "", "probability that the less natural hand is natural, per pose"
        ),
        spread("Forearms", numbers["forearm_depth_mm"], "mm", "how deep a forearm lies in the other arm, per pose"),
    ]
    return _pair(large) + _charts(small)


def pose_map(facts: PoseFacts, seen: Postures | None) -> tuple[str, str]:
    """The poses on a plane by their kind, and what the kinds and the plane are."""
    if seen is None:
        return nothing(_OTHER_HAND), ""
    if seen.places is None:
        return nothing(f"Fewer than {FEWEST} poses make no map."), ""
    columns = facts.mapped.columns
    kinds, colours, by = _kinds(columns)
    names = [f"{base} · {name}" for base, name in zip(columns["base_pose"], columns["pose_id"], strict=True)]
    note = (
        f"As RenderIH's Fig. 9: poses near each other are alike. {_of(len(names), facts.count, 'pose')}, {by}. "
        "Features: 21 joints of both mean-shaped hands seen from the right wrist, mm; PCA as start."
    )
    return scatter(seen.places, kinds, names, colours), note


def _kinds(columns: Mapping[str, np.ndarray]) -> tuple[Int[np.ndarray, "m"], Colours, str]:
    """Raw against augmented; splits, or else base poses, where all are of one kind."""
    augmented = columns["augmentation"] != 0
    if augmented.any():
        colours = ((f"as they were read ({(~augmented).sum():,})", "c2"), (f"augmented ({augmented.sum():,})", "c1"))
        return augmented.astype(np.int64), colours, f"at most {MAPPED:,} of each kind"
    for column in ("split", "base_pose"):
        names = sorted(set(columns[column].tolist()), key=split_order)
        if 1 < len(names) <= len(_KINDS):
            kinds = np.array([names.index(name) for name in columns[column]])
            colours = [(f"{name} ({(kinds == i).sum():,})", _KINDS[i]) for i, name in enumerate(names)]
            return kinds, colours, f"none augmented; coloured by {column.replace('_', ' ')}"
    return augmented.astype(np.int64), [(f"as they were read ({len(augmented):,})", "c2")], "none augmented"


def angles(facts: PoseFacts, seen: Postures | None) -> tuple[str, str]:
    """The 20 angles in their ranges, and how many are outside."""
    if seen is None:
        return nothing(_OTHER_HAND), ""
    if seen.angles is None:
        return nothing("There are no poses yet."), ""
    return angle_bands(seen.angles, _HANDS), _outside(seen.angles, len(facts.sample))


def _outside(found: AngleRanges, sampled: int) -> str:
    asked, outside = sampled * found.outside.size, int(found.outside.sum())
    return (
        f"Thick: 5–95 % of {plural(sampled, 'pose')}; thin: all; mark: median. "
        f"{outside:,} of {asked:,} angles are outside their range. "
        f"The 25 angles of a hand that Table 2 keeps at zero are at most {found.fixed:.2f}° from it."
    )


def nearest(facts: PoseFacts, seen: Postures | None) -> tuple[str, str]:
    """How alike the most alike poses are."""
    if seen is None:
        return nothing(_OTHER_HAND), ""
    asked, sampled = len(seen.nearest_mm), len(facts.sample)
    among = "all others" if sampled == facts.count else f"the nearest of a sample of {sampled:,} of {facts.count:,}"
    note = (
        f"mean distance of 42 joints, seen from the right wrist, from {plural(asked, 'pose')} to {among}; "
        f"{share(seen.near_doubles)} have another nearer than {NEAR_MM:g} mm"
    )
    return histogram(values_of(seen.nearest_mm), "mm", WIDE), note if asked else ""


def images(found: Inspection) -> str:
    """Cameras, light, skins, and what is seen of the hands."""
    numbers, names = found.images.numbers, found.counts.names
    large = [card("Cameras", *cameras(found.images)), card("Visibility of joints", *joints(found.images))]
    small = [
        spread(
            "Visible part of a hand", numbers["visible_fraction"].times(100), "%", "visible pixels over amodal ones"
        ),
        spread("Hand size", numbers["size_px"], "px", "root of the area of a hand's box"),
        spread("Longer side of a hand's box", numbers["box_px"], "px", "cut at the image's border"),
        card("Environments", *named(names["environments"], "image")),
        card("Skins", *named(names["skins"], "hand")),
        card("Base poses", *named(names["base poses"], "image")),
        spread("Camera distance", numbers["distance"], "m", "to the middle of the joints"),
        spread("Strength of the light", numbers["hdri_strength"], "", "factor on the metered light"),
        spread("Exposure", numbers["exposure"], "stops", "beyond the metered one"),
    ]
    return _pair(large) + _charts(small)


def cameras(facts: ImageFacts) -> tuple[str, str]:
    """Where the cameras stand, and how many of each kind."""
    if not len(facts.directions):
        return nothing(), ""
    total, own = facts.viewpoints.total(), facts.viewpoints[EGOCENTRIC]
    colours = ((f"tracks around the hands ({total - own:,})", "c1"), (f"egocentric ({own:,})", "c2"))
    shown = _of(min(len(facts.directions), DOTS), total, "camera")
    return hemispheres(
        facts.directions, facts.egocentric, colours
    ), f"{shown}; a line every 30° of azimuth and elevation"


def joints(facts: ImageFacts) -> tuple[str, str]:
    """What becomes of each joint in the images."""
    if not facts.joint_states.any():
        return nothing(), ""
    shares = facts.joint_states / facts.joint_states.sum(1, keepdims=True)
    return stacked(dict(zip(JOINTS_21, shares.tolist(), strict=True)), _STATES), "both hands, all images"


def named(names: Names, noun: str) -> tuple[str, str]:
    """How often each name occurs."""
    left_out = (names.distinct - len(names.top), names.total - sum(names.top.values()))
    counts = f"{names.fewest:,}" if names.fewest == names.most else f"{names.fewest:,} to {names.most:,}"
    return bars(
        names.top, rest=left_out
    ), f"{names.distinct:,} of them, {counts} {noun}s each" if names.distinct else ""


def splits(found: Inspection) -> str:
    """What each split consists of, and what two of them share."""
    counts = found.counts
    if not counts.splits:
        return nothing()
    rows = [[split, *(f"{of[kind]:,}" for kind in ("images", *OWNED))] for split, of in counts.splits.items()]
    shared = [_wrong(counts.shared[kind]) for kind in OWNED]
    rows.append(["in more than one split", "–", *shared])
    note = "A hand shape is the shape coefficients of both hands. What is in more than one split was seen in training."
    return table(("split", "images", *OWNED), rows) + f'<p class="note">{note}</p>'


def quality(found: Inspection) -> str:
    """Doubles, and what was refused."""
    note = f"{share(found.acceptance)} of the judged poses were kept; the paper kept {share(PAPER_ACCEPTANCE)}."
    refused = refusals(found.counts.refusals, found.tried)
    left = card("Doubles", doubles(found)) + card("Nearest other pose", *nearest(found.poses, found.postures))
    return _pair([_stack(left), _stack(card("Refused", refused, note))])


def doubles(found: Inspection) -> str:
    """How many poses and views are there more than once, and how many postures nearly so."""
    poses, views, seen = found.counts.double_poses, found.counts.double_views, found.postures
    near = (
        ("–", "–") if seen is None else (f"{seen.near_count:,} of {len(seen.nearest_mm):,}", share(seen.near_doubles))
    )
    rows = [
        ("poses with the parameters of another", _wrong(poses), _part(poses, found.rows["poses"])),
        ("images of the pose and camera of another", _wrong(views), _part(views, found.rows["images"])),
        (f"postures within {NEAR_MM:g} mm of another", *near),
    ]
    return table(("", "number", "share"), rows)


def refusals(found: Sequence[Refusal], tried: Mapping[str, int]) -> str:
    """What each step refused and why, as numbers and as a share of what it had to decide on."""
    if not found:
        return nothing("Nothing was refused.")
    stages = sorted({refusal.stage for refusal in found}, key=lambda stage: ([*_STEPS, stage].index(stage), stage))
    rows = [row for stage in stages for row in _stage([r for r in found if r.stage == stage], tried.get(stage, 0))]
    return table(("step and reason", "refused", "of those tried", "measured", "limit"), rows)


def _stage(found: Sequence[Refusal], tried: int) -> Iterator[Sequence[str]]:
    stage, total = found[0].stage, found[0].of_stage
    bold = (html.escape(_STEPS.get(stage, stage)), f"{total:,}", _part(total, tried))
    yield (*(f"<b>{cell}</b>" for cell in bold), "", "")
    for refusal in found:
        reason = f'<span class="under">{html.escape(refusal.reason)}</span>'
        limits = sorted({refusal.least_limit, refusal.most_limit})
        values = _range(refusal.low, refusal.high), _range(limits[0], limits[-1])
        yield (reason, f"{refusal.count:,}", _part(refusal.count, tried), *values)
    beyond = total - sum(refusal.count for refusal in found)
    if beyond:
        yield ('<span class="under">other reasons</span>', f"{beyond:,}", _part(beyond, tried), "", "")


def _range(low: float, high: float) -> str:
    least, most = measured(low, high), measured(high, high)
    return least if least == most else f"{least} – {most}"


def storage(found: Inspection) -> str:
    """Bytes of an image by column, and what a million such images take."""
    images, of_column = found.rows["images"], found.column_bytes
    if not images:
        return nothing()
    each = {name: round(count / images) for name, count in of_column.items() if count}
    chart = bars(each, most=16, value=size, width=WIDE)
    note = f"{size(found.bytes_per_image)} an image in the table images; {LISTS}: of the Parquet files themselves"
    rows = [[name, f"{found.rows[name]:,}", size(found.bytes[name]), _each(found, name)] for name in found.rows]
    million = f"A million such images take {size(1e6 * found.bytes_per_image)}."
    tables = table(("table", "rows", "bytes", "a row"), rows)
    return _pair([_stack(card("Bytes of an image", chart, note)), _stack(card("Tables", tables, million))])


def _each(found: Inspection, name: str) -> str:
    return size(found.bytes[name] / found.rows[name]) if found.rows[name] else "–"


def spread(title: str, numbers: Distribution, unit: str, about: str) -> str:
    """A histogram with its mean."""
    if not numbers.count:
        return card(title, histogram(numbers, unit), about)
    zeros = float((numbers.sample == 0).mean())
    notes = [about, f"mean {measured(numbers.mean, numbers.high - numbers.low, unit)}"]
    notes += [f"{share(zeros)} are 0"] if zeros >= MANY_ZEROS else []
    notes += [f"drawn from a sample of {len(numbers.sample):,} of {numbers.count:,}"] if numbers.is_thinned else []
    return card(title, histogram(numbers, unit), "; ".join(notes))


def _of(shown: int, total: int, noun: str) -> str:
    return f"All {plural(total, noun)}" if shown == total else f"A sample of {shown:,} of {plural(total, noun)}"


def _part(count: int, total: int) -> str:
    return share(count / total) if total else "–"


def _wrong(count: int) -> str:
    """A number that should be 0."""
    return f'<span class="{"wrong" if count else "right-number"}">{count:,}</span>'


def _pair(cards: Sequence[str]) -> str:
    return f'<div class="pair">{"".join(cards)}</div>'


def _stack(cards: str) -> str:
    return f'<div class="stack">{cards}</div>'


def _charts(cards: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(cards)}</div>'

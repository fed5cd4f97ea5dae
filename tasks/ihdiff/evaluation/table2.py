"""Table 2: hands that are fitted to joints, true and spoilt ones (IHDiff §5.4, "Simulated noisy targets")."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hands.pose import TwoHandPose
from hands.random_streams import stream, torch_stream
from models.ihdiff.checkpoint import IHDiff, TrainedVAE
from models.ihdiff.direct import DirectConfig, fit_vae
from models.ihdiff.fitting import FitConfig, Fitted, fit
from models.ihdiff.metrics import (
    ContactScore,
    align_right_wrist,
    contact,
    contact_accuracy_by_sample_percent,
    contact_accuracy_percent,
    contact_score,
    vertex_error_mm,
)
from models.ihdiff.nearest import Bank, find_nearest, joints_of
from models.ihdiff.observations import Observations
from models.ihdiff.representation import PackedHands, Placement, Standard, Surfaces, pack
from models.ihdiff.targets import Kind, Targets, spoil
from tasks.ihdiff.evaluation.judge import Hands, Judge
from tasks.ihdiff.evaluation.pages import ALL, NAMES, Rows
from tasks.ihdiff.evaluation.parts import Result
from tasks.markdown_tables import grid, shown
from tasks.progress import bar, say

OnStep = Callable[[int], None]
LEGEND = "Vertex error (mm) [95 % interval of the mean] / colliding vertices (%) / contact accuracy (%)."
RESAMPLED = 2000
"""Times that the poses are drawn again for an interval."""
_BLOCK = 256


class Found(NamedTuple):
    """What fits found, on the CPU; NaN for a pair whose fit left all numbers."""

    packed: PackedHands
    distance: Float[Tensor, "n"]
    """What is left of the distance to what was observed, metres."""


FitSome = Callable[[slice, torch.Generator, OnStep], Found]
"""Fits some of all hand pairs and tells every step."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The hands that are to be found."""

    packed: PackedHands
    meshes: Surfaces
    """Seen from the right wrist."""


def packed_in_blocks(poses: TwoHandPose, hands: Hands, title: str) -> PackedHands:
    """The matrices of many poses."""
    blocks = []
    with bar(title, len(poses), "poses") as advance, torch.no_grad():
        for first in range(0, len(poses), _BLOCK):
            some = poses[slice(first, first + _BLOCK)]
            blocks.append(pack(some, hands))
            advance(len(some))
    return joined(blocks)


def truth_of(poses: TwoHandPose, hands: Hands, judge: Judge) -> Truth:
    """What poses are, posed."""
    packed = packed_in_blocks(poses, hands, "posing true hands")
    return Truth(packed, judge.meshes(packed.x, packed.betas))


def bank_of(poses: TwoHandPose, hands: Hands) -> Bank:
    """Poses to search for the nearest one."""
    packed = packed_in_blocks(poses, hands, "posing hands to search")
    return Bank(packed.x, packed.betas, joints_of(packed.x, packed.betas, hands))


def targets_of(truth: Truth, kind: Kind, seed: int) -> Targets:
    """The same for all methods."""
    return spoil(kind, truth.meshes.joints, torch_stream(seed, "targets", kind))


def by_search(bank: Bank, targets: Targets, truth: Truth, judge: Judge) -> Result:
    """The row "NN search"."""
    rows = find_nearest(bank.joints, targets.joints, targets.seen).rows
    return scored(judge.meshes(bank.x[rows], bank.betas[rows]), truth.meshes, judge)


def by_network(
    model: IHDiff | TrainedVAE, targets: Targets, truth: Truth, steps: int, seed: int, judge: Judge, title: str
) -> Result:
    """A row of a network, fitted as in appendix B.1.

    Args:
        steps: of Alg. 2 and of the VAE's descent.
        seed: decides the noise that fits begin at, the same for all networks of a kind.
    """
    observed = Observations(joints_3d=targets.joints, joints_3d_seen=targets.seen)
    one = fitting(model, observed, FitConfig(steps=steps), DirectConfig(steps=steps), judge.hands, judge.device)
    found = fitted_in_batches(one, len(targets.joints), steps, seed, judge.batch, title).packed
    return scored(judge.meshes(found.x, found.betas), truth.meshes, judge)


def fitting(
    model: IHDiff | TrainedVAE,
    observed: Observations,
    config: FitConfig,
    direct: DirectConfig,
    hands: Hands,
    device: str,
) -> FitSome:
    """How some of the observed hand pairs are fitted by a network.

    Args:
        hands: on the device, unlike the observations.
    """
    network, standard = copy.deepcopy(model.network).to(device), copy.deepcopy(model.standard).to(device)
    way, how = (fit_vae, direct) if isinstance(model, TrainedVAE) else (fit, config)
    return lambda rows, draws, on_step: on_cpu(
        way(network, standard, hands, part_of(observed, rows, device), how, draws, on_step), standard
    )


def part_of(whole: Observations, rows: slice, device: str) -> Observations:
    """What is known of some of the hand pairs, on a device."""
    cut = lambda value: value[rows].to(device)  # noqa: E731
    values = {part.name: getattr(whole, part.name) for part in fields(whole)}
    tensors = {name: cut(value) for name, value in values.items() if isinstance(value, Tensor)}
    if whole.regressed is None:
        return replace(whole, **tensors)
    x, betas, placement = whole.regressed
    return replace(whole, **tensors, regressed=PackedHands(cut(x), cut(betas), Placement(*map(cut, placement))))


def on_cpu(found: Fitted, standard: Standard) -> Found:
    """Fitted hands in ordinary memory, metres."""
    x, betas, placement = found.packed(standard)
    packed = PackedHands(x.cpu(), betas.cpu(), Placement(*(value.detach().cpu() for value in placement)))
    return Found(packed, found.distance.cpu())


def fitted_in_batches(one: FitSome, count: int, steps: int, seed: int, batch: int, title: str) -> Found:
    """All hand pairs, a batch at a time. A pair's noise depends on the seed, the batch's size and the pair's number."""
    firsts = range(0, count, batch)
    with bar(title, len(firsts) * steps, "steps") as advance:
        parts = [_some(one, slice(first, min(first + batch, count)), seed, advance) for first in firsts]
    return Found(joined([part.packed for part in parts]), torch.cat([part.distance for part in parts]))


def joined(parts: Sequence[PackedHands]) -> PackedHands:
    """One batch of many."""
    x, betas, placements = zip(*parts, strict=True)
    placement = Placement(*(torch.cat(values) for values in zip(*placements, strict=True)))
    return PackedHands(torch.cat(x), torch.cat(betas), placement)


def _some(one: FitSome, rows: slice, seed: int, advance: OnStep) -> Found:
    """A batch, in halves when one of its pairs was lost: the others are not."""
    try:
        return one(rows, torch_stream(seed, "fit", rows.start), advance)
    except ValueError as error:
        if rows.stop - rows.start == 1:
            say(f"hand pair {rows.start}: {error}", level="warning")
            lost = lambda *size: torch.full((1, *size), torch.nan)  # noqa: E731
            return Found(PackedHands(lost(42, 9), lost(20), Placement(lost(3, 3), lost(3))), lost())
    middle = (rows.start + rows.stop) // 2
    silent: OnStep = lambda steps: None  # noqa: E731 - these steps were counted before
    halves = [_some(one, half, seed, silent) for half in (slice(rows.start, middle), slice(middle, rows.stop))]
    return Found(joined([half.packed for half in halves]), torch.cat([half.distance for half in halves]))


def scored(found: Surfaces, true: Surfaces, judge: Judge) -> Result:
    """Vertex error, collisions and contact of each hand pair (IHDiff §5.4), in one frame; a lost pair touches nothing."""
    aligned = [align_right_wrist(meshes.both, meshes.joints[:, 0]) for meshes in (found, true)]
    score = contact_score(contact(found.right, found.left), contact(true.right, true.left))
    return {
        "vertex_error_mm": vertex_error_mm(*aligned).tolist(),
        "collision_percent": judge.collisions(found).tolist(),
        "contact_correct": score.correct.tolist(),
        "contact_annotated": score.annotated.tolist(),
    }


def summary(each: dict[str, list[Any]], seed: int) -> Result:
    """Means over the poses, of those that were not lost; contact over all of them."""
    errors, collisions = (
        np.array([np.nan if value is None else value for value in each[name]], dtype=np.float64)
        for name in ("vertex_error_mm", "collision_percent")
    )
    kept = errors[np.isfinite(errors)]
    score = ContactScore(torch.tensor(each["contact_correct"]), torch.tensor(each["contact_annotated"]))
    return {
        "poses": len(errors),
        "failed": int(len(errors) - len(kept)),
        "vertex_error_mm": float(kept.mean()) if len(kept) else np.nan,
        "vertex_error_95_mm": interval(kept, stream(seed, "bootstrap")),
        "collision_percent": float(np.nanmean(collisions)) if len(kept) else np.nan,
        "contact_accuracy_percent": contact_accuracy_percent(score),
        "contact_accuracy_by_pose_percent": contact_accuracy_by_sample_percent(score),
    }


def interval(values: Float[np.ndarray, "n"], draws: np.random.Generator) -> list[float]:
    """Between which bounds the mean over other such poses lies with a probability of 95 % (percentile bootstrap)."""
    if not len(values):
        return [np.nan, np.nan]
    means = [values[draws.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLED)]
    return [float(bound) for bound in np.percentile(means, [2.5, 97.5])]


def told(each: Result, seed: int) -> Result:
    """A result as the tables have it: summary and numbers of each pose."""
    return summary(each, seed) | {"each": each}


def page(found: Rows) -> str:
    """Table 2 as Markdown."""
    kinds = list(dict.fromkeys(kind for row in found.values() for kind in row if kind != ALL))
    fitted = sorted(found, key=list(NAMES).index)
    rows = [
        [NAMES[name], *(cell(row.get(kind) or row[ALL]) for kind in kinds)] for name in fitted for row in [found[name]]
    ]
    return f"## Table 2: hands fitted to joints\n\n{LEGEND}\n\n" + grid(["", *kinds], rows)


def cell(result: Result) -> str:
    """Numbers of one method and one kind of targets."""
    low, high = (shown(bound, 2) for bound in result["vertex_error_95_mm"])
    parts = [f"{shown(result['vertex_error_mm'], 2)} [{low}, {high}]"]
    parts += [shown(result["collision_percent"], 2), shown(result["contact_accuracy_percent"], 2)]
    return " / ".join(parts) + (f" ({result['failed']} failed)" if result["failed"] else "")

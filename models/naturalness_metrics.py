"""What a natural discriminator is worth: on poses of gestures that it has never seen, and as a force on poses."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from hands.anatomy import anatomical_rotations
from models.descent import descend, probability_of, slope
from models.discriminator import NaturalDiscriminator
from models.labelled_poses import LabelConfig, LabelledPoses, NaturalPoses, deviation, displace, nearest, vary

Metrics = dict[str, float]


@dataclass(frozen=True, eq=False)
class Judged:
    """Held-out poses with what the network says of them."""

    predicted: Float[Tensor, "n"]
    labels: Float[Tensor, "n"]
    offsets: Float[Tensor, "n"]
    """Degrees r.m.s.; 0 for natural poses."""
    distances: Float[Tensor, "n"]
    """Degrees r.m.s. to the nearest pose that the network has learned from: what a look-up would go by."""
    bases: Float[Tensor, "m"]
    """What it says of the held-out natural poses themselves, unvaried."""

    @staticmethod
    def join(parts: "list[Judged]") -> "Judged":
        """All folds as one."""
        names = (field.name for field in fields(Judged))
        return Judged(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@torch.no_grad()
def judge(
    network: NaturalDiscriminator, learned: NaturalPoses, held_out: NaturalPoses, labelled: LabelledPoses
) -> Judged:
    """Ask a network that has learned from some poses about others, and about the labelled ones made from these."""
    predicted, bases = network(labelled.rotations), network(anatomical_rotations(held_out.angles))
    return Judged(predicted, labelled.labels, labelled.offsets, nearest(labelled.angles, learned.angles), bases)


def held_out_metrics(judged: Judged, half_degrees: float) -> Metrics:
    """How well unseen poses are told apart; "far" is an offset above `half_degrees`."""
    natural, far = judged.offsets == 0, judged.offsets > half_degrees
    return {
        "loss": (judged.predicted - judged.labels).square().mean().item(),
        "loss_of_a_constant": (judged.labels - judged.labels.mean()).square().mean().item(),
        "area_under_curve_natural_or_far": area_under_curve(judged.predicted[natural], judged.predicted[far]),
        "area_under_curve_of_nearest_pose": area_under_curve(-judged.distances[natural], -judged.distances[far]),
        "rank_correlation_with_offset": rank_correlation(judged.predicted[~natural], judged.offsets[~natural]),
        "expected_calibration_error": calibration_error(judged.predicted, judged.labels),
        "mean_of_unseen_gestures": judged.bases.mean().item(),
        "unseen_gestures_above_half": (judged.bases > 0.5).double().mean().item(),
    }


def calibration(predicted: Float[Tensor, "n"], labels: Float[Tensor, "n"], bins: int = 10) -> list[Metrics]:
    """Mean prediction and mean label of the poses in each tenth of [0, 1]; empty tenths are left out."""
    place = _bin(predicted, bins)
    return [
        {
            "poses": int((place == k).sum()),
            "predicted": predicted[place == k].mean().item(),
            "label": labels[place == k].mean().item(),
        }
        for k in place.unique().tolist()
    ]


def calibration_error(predicted: Float[Tensor, "n"], labels: Float[Tensor, "n"], bins: int = 10) -> float:
    """Expected calibration error: |mean prediction − mean label| of the bins, weighted by their poses."""
    rows = calibration(predicted, labels, bins)
    return sum(row["poses"] * abs(row["predicted"] - row["label"]) for row in rows) / len(predicted)


def by_offset(judged: Judged, width: float = 5.0) -> list[Metrics]:
    """Mean prediction and mean label for each `width` degrees of offset; natural poses are left out."""
    moved = judged.offsets > 0
    place = (judged.offsets / width).long()
    return [
        {
            "degrees": (k + 0.5) * width,
            "poses": int((moved & (place == k)).sum()),
            "predicted": judged.predicted[moved & (place == k)].mean().item(),
            "label": judged.labels[moved & (place == k)].mean().item(),
        }
        for k in place[moved].unique().tolist()
    ]


def area_under_curve(high: Float[Tensor, "n"], low: Float[Tensor, "m"]) -> float:
    """Probability that one of `high` is above one of `low`; a tie counts half."""
    both = _ranks(torch.cat([high, low]))[: len(high)].sum() - len(high) * (len(high) - 1) / 2
    return (both / (len(high) * len(low))).item()


def rank_correlation(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> float:
    """Spearman's: −1 when the larger one is, the smaller is the other."""
    return torch.corrcoef(torch.stack([_ranks(one), _ranks(other)]))[0, 1].item()


def force_metrics(
    network: NaturalDiscriminator, natural: NaturalPoses, config: LabelConfig, draws: torch.Generator, count: int
) -> Metrics:
    """How Eq. 8 moves `count` poses in 200 steps, from the largest offsets of Eq. 1; distances in degrees r.m.s."""
    start, _ = displace(natural, count, config, draws, least=1.0)
    end = descend(network, start)
    far, near = (
        slope(network, angles).flatten(1).norm(dim=1) for angles in (start, vary(natural, count, config, draws))
    )
    before, after = (probability_of(network, angles) for angles in (start, end))
    arrived = nearest(end, natural.angles)
    return {
        "gradient_far_median": far.median().item(),
        "gradient_far_lowest_percent": far.quantile(0.01).item(),
        "gradient_natural_median": near.median().item(),
        "mean_before": before.mean().item(),
        "mean_after": after.mean().item(),
        "share_above_0.9_after": (after > 0.9).double().mean().item(),
        "nearest_natural_before": nearest(start, natural.angles).mean().item(),
        "nearest_natural_after": arrived.mean().item(),
        "nearest_natural_after_worst_twentieth": arrived.quantile(0.95).item(),
        "moved": deviation(start, end).mean().item(),
    }


def _bin(values: Float[Tensor, "n"], bins: int) -> Tensor:
    return (values * bins).long().clamp_max(bins - 1)


def _ranks(values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Places in ascending order, counted from 0; equal values share the mean of theirs."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double() - 1
    return (last - (counts - 1) / 2)[inverse]

"""Poses of one hand with the probability that they are natural, as the natural discriminator's training needs them.

RenderIH §3.1: natural poses come from recordings and have p_n = 1; unnatural ones are natural poses with random bend and
splay offsets (Eq. 1), "the higher the offsets, the closer the p_n is to 0". Every angle is brought inside Table 2 first, in
natural poses too: otherwise a twist or a bend outside the limits, which only recordings have, would give the answer away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hands.anatomy import TWIST, anatomical_rotations, hand_pose_to_angles, joint_frames, limits, movable
from hands.joints import Side
from hands.model import HandModel
from hands.random_streams import stream


@dataclass(frozen=True, eq=False)
class NaturalPoses:
    """Poses of one hand that people make. Left and right are alike here."""

    angles: Float[Tensor, "n 15 3"]
    """(bend, splay, twist) of joints 1–15 within Table 2, radians, float64."""
    groups: Int[Tensor, "n"]
    """The gesture or recording that each comes from: a group is learned from or judged with, never both."""

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True)
class LabelConfig:
    """What still counts as natural and how fast naturalness fades."""

    hand_degrees: float = 3.0
    """Standard deviation of a bend or splay that all fingers of a natural pose share."""
    finger_degrees: float = 3.0
    """Of one that the joints of a finger share."""
    joint_degrees: float = 2.0
    """Of one that a joint has for itself."""
    on_the_way: float = 0.5
    """Share of natural poses that are on the straight way from one pose to another, as a moving hand is."""
    bend_degrees: float = 90.0
    """Largest bend offset of an unnatural pose."""
    splay_degrees: float = 30.0
    """Largest splay offset of an unnatural pose."""
    half_degrees: float = 18.0
    """Offset (r.m.s. over the 20 movable angles) at which a pose is natural with probability 1/2."""
    twist_degrees: float = 5.0
    """Standard deviation of a twist that natural and unnatural poses get alike, so that the network heeds none."""


@dataclass(frozen=True, eq=False)
class LabelledPoses:
    """What the network learns from, float64."""

    angles: Float[Tensor, "n 15 3"]
    """(bend, splay, twist), radians."""
    rotations: Float[Tensor, "n 15 3 3"]
    """The same in the joints' anatomical frames."""
    labels: Float[Tensor, "n"]
    """p_n, 1 for natural poses."""
    offsets: Float[Tensor, "n"]
    """Degrees r.m.s. between an unnatural pose and the natural one that it was made of; 0 for natural poses."""

    @classmethod
    def of(
        cls, angles: Float[Tensor, "n 15 3"], labels: Float[Tensor, "n"], offsets: Float[Tensor, "n"]
    ) -> "LabelledPoses":
        """With the rotations of the angles."""
        return cls(angles, anatomical_rotations(angles), labels, offsets)

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: "LabelledPoses") -> "LabelledPoses":
        return LabelledPoses(*(torch.cat([getattr(poses, f.name) for poses in (self, other)]) for f in fields(self)))


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Torch's counterpart of `stream`: random numbers for one purpose, decided by names alone."""
    return torch.Generator().manual_seed(int(stream(seed, "naturalness", *names).integers(2**63)))


def natural_poses(
    hand_pose: Float[Tensor, "n 45"],
    sides: Sequence[Side],
    hands: Mapping[Side, HandModel],
    groups: Int[Tensor, "n"] | None = None,
) -> NaturalPoses:
    """Natural poses from full axis-angle finger poses (mean added) of the named hands; each a group unless told otherwise."""
    angles = torch.empty(len(hand_pose), 15, 3, dtype=torch.float64)
    for side in Side:
        rows = torch.tensor([here is side for here in sides], dtype=torch.bool)
        angles[rows] = hand_pose_to_angles(hand_pose[rows].double(), joint_frames(hands[side]).double())
    return NaturalPoses(
        angles.clamp(*limits(torch.float64)), torch.arange(len(hand_pose)) if groups is None else groups
    )


def folds(natural: NaturalPoses, count: int, draws: torch.Generator) -> list[tuple[NaturalPoses, NaturalPoses]]:
    """`count` pairs (to learn from, held out): every group is held out once.

    Raises:
        ValueError: there are fewer groups than folds.
    """
    groups = natural.groups.unique()
    if len(groups) < count:
        raise ValueError(
            f"the natural poses come from {len(groups)} gestures or recordings, {count} or more are needed"
        )
    shuffled = groups[torch.randperm(len(groups), generator=draws)]
    held_out = [torch.isin(natural.groups, shuffled[fold::count]) for fold in range(count)]
    pick = lambda rows: NaturalPoses(natural.angles[rows], natural.groups[rows])  # noqa: E731
    return [(pick(~rows), pick(rows)) for rows in held_out]


def label(natural: NaturalPoses, count: int, config: LabelConfig, draws: torch.Generator) -> LabelledPoses:
    """`count` poses with their labels, the first half natural."""
    half = count // 2
    angles, offsets = displace(natural, count - half, config, draws)
    angles = twist(torch.cat([vary(natural, half, config, draws), angles]), config, draws)
    offsets = torch.cat([torch.zeros(half, dtype=torch.float64), offsets])
    return LabelledPoses.of(angles, probability(offsets, config.half_degrees), offsets)


def probability(offsets: Float[Tensor, "n"], half: float) -> Float[Tensor, "n"]:
    """p_n of a pose that is `offsets` degrees (r.m.s.) from a natural one: 1 / (1 + (offset / half)²).

    Flat at zero, since small deviations stay natural, and never flat far away, since Eq. 8 needs a slope everywhere.
    """
    return 1 / (1 + (offsets / half).square())


def vary(
    natural: NaturalPoses, count: int, config: LabelConfig, draws: torch.Generator
) -> Float[Tensor, "{count} 15 3"]:
    """Poses as natural as the given ones: some on the way between two, all with small deviations that fingers share."""
    start, end = (natural.angles[torch.randint(len(natural), (count,), generator=draws)] for _ in range(2))
    moving = _uniform((count, 1, 1), draws) < config.on_the_way
    angles = start + (end - start) * _uniform((count, 1, 1), draws) * moving
    noise = config.hand_degrees * _normal((count, 1, 3), draws)
    noise = noise + config.finger_degrees * _normal((count, 5, 3), draws).repeat_interleave(3, dim=1)
    noise = noise + config.joint_degrees * _normal((count, 15, 3), draws)
    return (angles + torch.deg2rad(noise)).clamp(*limits(torch.float64))


def displace(
    natural: NaturalPoses, count: int, config: LabelConfig, draws: torch.Generator, least: float = 0.0
) -> tuple[Float[Tensor, "{count} 15 3"], Float[Tensor, "{count}"]]:
    """Unnatural poses, and how far they are from the natural ones that they were made of (degrees r.m.s.).

    Each takes a share r of Eq. 1's ranges, uniform in [`least`, 1]; its angles are uniform in what the limits leave of them.
    """
    angles = natural.angles[torch.randint(len(natural), (count,), generator=draws)]
    share = least + (1 - least) * _uniform((count, 1, 1), draws)
    reach = share * torch.deg2rad(torch.tensor([config.bend_degrees, config.splay_degrees, 0.0], dtype=torch.float64))
    low, high = limits(torch.float64)
    lowest, highest = torch.maximum(low, angles - reach), torch.minimum(high, angles + reach)
    displaced = lowest + (highest - lowest) * _uniform((count, 15, 3), draws)
    return displaced, deviation(displaced, angles)


def twist(angles: Float[Tensor, "n 15 3"], config: LabelConfig, draws: torch.Generator) -> Float[Tensor, "n 15 3"]:
    """With the twist that natural and unnatural poses get alike."""
    turned = angles.clone()
    turned[..., TWIST] += math.radians(config.twist_degrees) * _normal((len(angles), 15), draws)
    return turned


def deviation(angles: Float[Tensor, "*b 15 3"], others: Float[Tensor, "*b 15 3"]) -> Float[Tensor, "*b"]:
    """How far apart poses are: r.m.s. over the 20 movable angles, degrees."""
    return torch.rad2deg((angles - others)[..., movable()].square().mean(-1).sqrt())


def nearest(angles: Float[Tensor, "n 15 3"], natural: Float[Tensor, "m 15 3"]) -> Float[Tensor, "n"]:
    """Distance to the nearest of the natural poses: r.m.s. over the movable angles, degrees."""
    mobile = movable()
    return torch.rad2deg(torch.cdist(angles[:, mobile], natural[:, mobile]).amin(1)) / mobile.sum().sqrt()


def _uniform(shape: tuple[int, ...], draws: torch.Generator) -> Float[Tensor, "..."]:
    return torch.rand(shape, generator=draws, dtype=torch.float64)


def _normal(shape: tuple[int, ...], draws: torch.Generator) -> Float[Tensor, "..."]:
    return torch.randn(shape, generator=draws, dtype=torch.float64)

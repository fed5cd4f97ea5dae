"""Finger poses that people really took, of any source: what a naturalness discriminator is trained on."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dataset.errors import InputError
from dataset.readers.formats import ALL
from dataset.readers.frame import Fault, Frame, HandShape, SingleHand
from hands.joints import Side
from hands.model import HandModel


class NaturalPoses(NamedTuple):
    """Hands one by one, and what could not be read."""

    hand_pose: Float[np.ndarray, "n 45"]
    """Full axis-angle, radians, float32."""
    sides: tuple[Side, ...]
    """Which hand each one is; poses of left hands are not mirrored."""
    betas: Float[np.ndarray, "n 10"]
    faults: tuple[Fault, ...]


def natural_hand_poses(kind: str, folder: Path, hands: dict[Side, HandModel], subset: str = "train") -> NaturalPoses:
    """Every hand of a source, single ones and both of two-hand frames, interacting or not, in the source's order.

    Raises:
        InputError: there are no files of that kind, or none of its hands can be used.
    """
    found = list(_hands(kind, Path(folder), hands, subset))
    faults = tuple(item for item in found if isinstance(item, Fault))
    kept = [item for item in found if not isinstance(item, Fault)]
    if not kept:
        raise InputError(f"{folder}: no hand of {kind} can be used ({len(faults)} faults); see docs/pose-sources.md")
    poses, betas = (
        np.stack(values).astype(np.float32) for values in zip(*(values for _, *values in kept), strict=True)
    )
    return NaturalPoses(poses, tuple(side for side, *_ in kept), betas, faults)


def _hands(kind: str, folder: Path, hands: dict[Side, HandModel], subset: str) -> Iterator[tuple | Fault]:
    for item in ALL[kind].read(folder, subset, hands):
        if isinstance(item, Frame):
            yield from (_small(side, item.hands[side]) for side in Side if side in item.hands)
        elif isinstance(item, SingleHand):
            yield _small(item.side, item.hand)
        elif isinstance(item, Fault):
            yield item


def _small(side: Side, hand: HandShape) -> tuple[Side, np.ndarray, np.ndarray]:
    """Single precision at once: there may be a million of them."""
    return side, hand.hand_pose.astype(np.float32), hand.betas.astype(np.float32)

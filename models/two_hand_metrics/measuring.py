"""All metrics of a batch at once, for whatever a method predicts: surfaces, or joints alone."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models.two_hand_metrics import errors
from models.two_hand_metrics.alignment import MIDDLE_MCP, WRIST, bone_scale, is_known, relative
from models.two_hand_metrics.contact import Surfaces, contact_deviation

ROOTS = {"middle": MIDDLE_MCP, "wrist": WRIST}
"""RenderIH's tables have the middle MCP (§5.1) and, in the supplement, the wrist; the field mostly has the wrist."""
Measured = dict[str, Float[Tensor, "b *n"]]
"""By metric, millimetres for each image (`joint_errors…` for each joint). NaN where the truth is not known, or where nothing
touches; never because of the prediction."""


@dataclass(frozen=True, eq=False)
class HandPoints:
    """One hand of b images, metres."""

    joints: Float[Tensor, "b 21 3"]
    vertices: Float[Tensor, "b v 3"] | None = None
    """None of a method that predicts joints alone."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "HandPoints":
        """The same with every tensor changed."""
        return HandPoints(change(self.joints), None if self.vertices is None else change(self.vertices))


@dataclass(frozen=True, eq=False)
class TwoHands:
    """Both hands of b images in one frame, whose axes are the camera's. Any origin: no metric looks at it."""

    right: HandPoints
    left: HandPoints

    def map(self, change: Callable[[Tensor], Tensor]) -> "TwoHands":
        """The same with every tensor changed."""
        return TwoHands(self.right.map(change), self.left.map(change))


def measured(predicted: TwoHands, true: TwoHands) -> Measured:
    """Every metric that the prediction allows: of both hands, and of each under `right.` and `left.`; float64.

    A hand counts where all its joints, or vertices, are known in truth. Of both hands means the mean of those that count.

    Raises:
        ValueError: where the truth is known, a predicted coordinate is no number. It has no error, and must not do without.
    """
    predicted, true = predicted.map(Tensor.double), true.map(Tensor.double)
    right, left = _of_hand(predicted.right, true.right), _of_hand(predicted.left, true.left)
    both = {name: torch.stack([right[name], left[name]]).nanmean(0) for name in right if name in left}
    each = _named("right", right) | _named("left", left)
    return both | _between(predicted, true) | each | _by_joint(predicted, true)


def _named(side: str, found: Measured) -> Measured:
    return {f"{side}.{name}": values for name, values in found.items()}


def _of_hand(predicted: HandPoints, true: HandPoints) -> Measured:
    _refuse_no_numbers(predicted.joints, true.joints)
    found = {"pa_mpjpe_mm": errors.pa_mpjpe(predicted.joints, true.joints)}
    for name, root in ROOTS.items():
        found[f"mpjpe_{name}_mm"] = errors.mpjpe(predicted.joints, true.joints, root)
        found[f"smpjpe_{name}_mm"] = errors.smpjpe(predicted.joints, true.joints, root)
    return found | _of_surface(predicted, true)


def _of_surface(predicted: HandPoints, true: HandPoints) -> Measured:
    if predicted.vertices is None or true.vertices is None:
        return {}
    _refuse_no_numbers(predicted.vertices, true.vertices)
    found = {"pa_mpvpe_mm": errors.pa_mpjpe(predicted.vertices, true.vertices)}
    scale = bone_scale(predicted.joints, true.joints)
    for name, root in ROOTS.items():
        points = predicted.vertices, true.vertices, predicted.joints[:, root], true.joints[:, root]
        found[f"mpvpe_{name}_mm"] = errors.mpvpe(*points)
        found[f"smpvpe_{name}_mm"] = errors.mpvpe(*points, scale)
    return found


def _between(predicted: TwoHands, true: TwoHands) -> Measured:
    """How the hands lie to each other. RRVE: both surfaces as seen from the right wrist (the vertex error of IHDiff §5.4)."""
    found = {}
    for name, root in ROOTS.items():
        apart = [hands.left.joints[:, root] - hands.right.joints[:, root] for hands in (predicted, true)]
        found[f"mrrpe_{name}_mm"] = errors.mrrpe(*apart)
        found[f"mrrpe_released_{name}_mm"] = errors.mrrpe_released(*apart)
    surfaces = [hand.vertices for hands in (predicted, true) for hand in (hands.right, hands.left)]
    if any(vertices is None for vertices in surfaces):
        return found
    deviation = contact_deviation(Surfaces(*surfaces[:2]), Surfaces(*surfaces[2:]))
    found |= {"cdev_right_to_left_mm": deviation.right_to_left, "cdev_left_to_right_mm": deviation.left_to_right}
    seen = [relative(torch.cat(_vertices(hands), dim=1), hands.right.joints[:, WRIST]) for hands in (predicted, true)]
    return found | {"cdev_mm": deviation.symmetric, "rrve_mm": errors.point_errors(*seen).mean(-1)}


def _vertices(hands: TwoHands) -> list[Tensor]:
    return [hands.right.vertices, hands.left.vertices]


def _by_joint(predicted: TwoHands, true: TwoHands) -> Measured:
    """Errors of MPJPE one by one: the deviation over them all is that of RenderIH's Fig. 11."""
    found = {}
    for name, root in ROOTS.items():
        for side in ("right", "left"):
            pair = getattr(predicted, side).joints, getattr(true, side).joints
            found[f"{side}.joint_errors_{name}_mm"] = errors.joint_errors(*pair, root)
    return found


def _refuse_no_numbers(predicted: Float[Tensor, "b n 3"], true: Float[Tensor, "b n 3"]) -> None:
    wrong = (is_known(true) & ~is_known(predicted)).nonzero()[:, 0].tolist()
    if wrong:
        raise ValueError(
            f"{len(wrong)} of {len(true)} predictions have a coordinate that is no number, first row {wrong[0]}"
        )

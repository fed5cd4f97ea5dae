"""Sampled poses as postures of the dataset's own hands: a map of them, joint angles against Table 2, near doubles."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dataset.inspection.poses import PoseFacts
from hands.anatomy import BEND, LIMITS_DEGREES, SPLAY, hand_pose_to_angles, joint_frames, movable
from hands.joints import FINGER_JOINTS, Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from hands.selection import joint_features, pose_distances

Hands = dict[Side, HandModel]

FEWEST = 10
"""Poses below which a map says nothing."""
ASKED = 1000
"""Poses whose nearest other is looked for, among all that were sampled."""
NEAR_MM = 1.0
"""Postures nearer to each other than this are near doubles."""
ROUNDING_DEGREES = 0.05
"""An angle is outside its range when it is farther outside than this."""
PERCENTILES = (0, 5, 50, 95, 100)
_CELLS = (("root", BEND), ("root", SPLAY), ("middle", BEND), ("end", BEND))
ANGLES = tuple(
    (f"{finger} {segment} {'bend' if axis == BEND else 'splay'}", FINGER_JOINTS[finger][part] - 1, axis, bounds[number])
    for finger, bounds in LIMITS_DEGREES.items()
    for number, ((segment, axis), part) in enumerate(zip(_CELLS, (0, 0, 1, 2), strict=True))
)
"""The 20 angles of Table 2: name, joint (0–14), axis, (lowest, highest) in degrees."""


@dataclass(frozen=True, eq=False)
class AngleRanges:
    """What the 20 angles of Table 2 do in the sampled poses."""

    percentiles: Float[np.ndarray, "2 20 5"]
    """Of the right and the left hand, degrees, see `PERCENTILES`."""
    outside: Int[np.ndarray, "2 20"]
    """Poses in which the angle is outside its range."""
    fixed: float
    """Farthest that an angle which Table 2 keeps at zero is from it, degrees."""


@dataclass(frozen=True, eq=False)
class Postures:
    """What the sampled poses look like."""

    places: Float[np.ndarray, "m 2"] | None
    """The mapped poses on a plane, near each other when alike; None when there are too few."""
    angles: AngleRanges | None
    """None when there is no pose."""
    nearest_mm: Float[np.ndarray, "q"]
    """Distance from some of the sampled poses to the nearest other one, see `hands.selection`."""

    @property
    def near_count(self) -> int:
        """How many of the poses asked have another nearer than `NEAR_MM`."""
        return int((self.nearest_mm < NEAR_MM).sum())

    @property
    def near_doubles(self) -> float:
        """The same as a share of the poses asked; 0 without poses."""
        return self.near_count / max(len(self.nearest_mm), 1)


@torch.inference_mode()
def postures(facts: PoseFacts, hands: Hands) -> Postures:
    """Look at the sampled poses with the hands that the dataset was made with."""
    if not facts.count:
        return Postures(None, None, np.zeros(0))
    places = embed(joint_features(facts.mapped.poses(), hands)) if len(facts.mapped) >= FEWEST else None
    poses = facts.sample.poses()
    return Postures(places, angle_ranges(poses, hands), nearest(joint_features(poses, hands)))


def embed(features: Float[Tensor, "3 n 42"]) -> Float[np.ndarray, "n 2"]:
    """t-SNE of the joints (van der Maaten and Hinton, JMLR 9, 2008), as RenderIH's Fig. 9; the same every time."""
    from sklearn.manifold import TSNE  # its import costs a second
    from threadpoolctl import threadpool_limits

    flat = features.permute(1, 0, 2).flatten(1).numpy()
    method = TSNE(init="pca", perplexity=min(30.0, (len(flat) - 1) / 3), random_state=0)
    with threadpool_limits(1):  # several threads add up in changing order
        return method.fit_transform(flat).astype(np.float64)


def angle_ranges(poses: TwoHandPose, hands: Hands) -> AngleRanges:
    """Percentiles of the angles that move, and how far the others are from zero."""
    angles = torch.stack([_degrees(poses, hands, side) for side in Side])
    moving = torch.stack([angles[:, :, joint, axis] for _, joint, axis, _ in ANGLES], dim=-1).numpy()
    low, high = np.array([bounds for *_, bounds in ANGLES], dtype=np.float64).T
    outside = (moving < low - ROUNDING_DEGREES) | (moving > high + ROUNDING_DEGREES)
    percentiles = np.moveaxis(np.percentile(moving, PERCENTILES, axis=1), 0, -1)
    fixed = angles[:, :, ~movable()].abs().max()
    return AngleRanges(percentiles, outside.sum(1), float(fixed))


def _degrees(poses: TwoHandPose, hands: Hands, side: Side) -> Float[Tensor, "s 15 3"]:
    return torch.rad2deg(hand_pose_to_angles(poses.side(side).hand_pose, joint_frames(hands[side]))).double()


def nearest(features: Float[Tensor, "3 n 42"], asked: int = ASKED) -> Float[np.ndarray, "q"]:
    """Distance of the first poses to the nearest other of all, millimetres; none when there is one pose."""
    count = features.shape[1]
    found = np.zeros(min(asked, count) if count > 1 else 0)
    for row in range(len(found)):
        distances = pose_distances(features, row)
        distances[row] = torch.inf
        found[row] = float(distances.min())
    return found

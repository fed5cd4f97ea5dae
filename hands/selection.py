"""Distinct poses out of many: a distance between two-hand poses, and farthest-point selection by it.

The distance is the mean, over the 21 joints of both hands, of how far a joint of one pose is from the same joint of the
other, in millimetres: both poses seen from the right wrist (its position and rotation), with mean hand shapes whose wrists
are where the pose has them. So it tells postures apart, not people or places. RenderIH (supplement §1) removes similar poses
of InterHand2.6M down to 3,680 without saying by which measure.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hands.joints import Side
from hands.model import HandModel
from hands.pose import HandPose, TwoHandPose
from hands.rotations import axis_angle_to_matrix

Hands = dict[Side, HandModel]
_EXACT = "donot_use_mm_for_euclid_dist"
"""The quicker mode differs from machine to machine in the last digits that decide on a limit."""
_MARGIN = 1e-6
"""Metres; far above what rounding does to a coordinate."""


@dataclass(frozen=True)
class Selection:
    """Poses chosen to cover all of them."""

    indices: tuple[int, ...]
    """In order of selection: the first n of them are the selection of n."""
    radius_mm: float
    """Largest distance of any pose to the chosen one nearest to it."""


def joint_features(poses: TwoHandPose, hands: Hands, rows: int = 512) -> Float[Tensor, "3 n 42"]:
    """Joints of both hands as the distance sees them: millimetres, in the right wrist's frame, coordinate by coordinate."""
    blocks = [poses[slice(first, first + rows)] for first in range(0, len(poses), rows)]
    joints = torch.cat([_seen_from_the_right_wrist(block, hands) for block in blocks])
    return joints.permute(2, 0, 1).contiguous()


def _seen_from_the_right_wrist(poses: TwoHandPose, hands: Hands) -> Float[Tensor, "b 42 3"]:
    joints = torch.cat([_mean_shape_joints(poses.side(side), hands[side]) for side in Side], dim=1)
    rotation = axis_angle_to_matrix(poses.right.global_orient)
    return 1000 * (joints - joints[:, :1]) @ rotation


def _mean_shape_joints(pose: HandPose, model: HandModel) -> Float[Tensor, "b 21 3"]:
    return model.joints_21(with_shape(pose, torch.zeros_like(pose.betas), model).pose(model))


def with_shape(pose: HandPose, betas: Float[Tensor, "b 10"], model: HandModel) -> HandPose:
    """The same posture of a hand of another shape, its wrist where it was."""
    shift = model.rest_joints(pose.betas)[:, 0] - model.rest_joints(betas)[:, 0]
    return replace(pose, betas=betas, transl=pose.transl + shift)


def pose_distances(
    features: Float[Tensor, "3 n 42"], index: int, rows: int = 4096, out: Float[Tensor, "n"] | None = None
) -> Float[Tensor, "n"]:
    """Distance of every pose to one of them, millimetres, in blocks that fit the cache; exactly 0 to its copies."""
    found = torch.empty(features.shape[1], dtype=features.dtype) if out is None else out
    point = features[:, index : index + 1]
    for first in range(0, len(found), rows):
        offset = features[:, first : first + rows] - point
        found[first : first + rows] = offset.square_().sum(0).sqrt_().mean(1)
    return found


def farthest_points(features: Float[Tensor, "3 n 42"], count: int) -> Selection:
    """At most `count` poses, each the farthest from those before it; O(n · count).

    Begins with the pose nearest to the mean of all, so that nothing is random. Copies of a chosen pose are never chosen:
    fewer come back when fewer are different.
    """
    nearest = torch.full(features.shape[1:2], torch.inf, dtype=features.dtype)
    distance = torch.empty_like(nearest)
    chosen = [_most_ordinary(features)]
    while True:
        torch.minimum(nearest, pose_distances(features, chosen[-1], out=distance), out=nearest)
        farthest = int(nearest.argmax())
        if len(chosen) == count or nearest[farthest] == 0:
            return Selection(tuple(chosen), float(nearest[farthest]))
        chosen.append(farthest)


def _most_ordinary(features: Float[Tensor, "3 n 42"]) -> int:
    offset = features - features.mean(1, keepdim=True)
    return int(offset.square().sum(0).sqrt().mean(1).argmin())


def distances_apart(
    poses: TwoHandPose, hands: Hands, rows: int = 64, on_poses: Callable[[int], None] | None = None
) -> Float[Tensor, "n"]:
    """Smallest distance between a vertex of one hand and a vertex of the other, metres.

    Args:
        rows: poses posed at once.
        on_poses: hears how many were measured.
    """
    found = torch.empty(len(poses))
    for first in range(0, len(poses), rows):
        pairs = zip(*_surfaces(poses[slice(first, first + rows)], hands), strict=True)
        measured = torch.stack([_nearest_of_two(*pair) for pair in pairs])
        found[first : first + rows] = measured
        if on_poses:
            on_poses(len(measured))
    return found


def closer_than(poses: TwoHandPose, hands: Hands, limit: float, rows: int = 16) -> Bool[Tensor, "n"]:
    """Whether the hands are at most `limit` metres apart, as `distances_apart` measures it.

    Every eighth vertex decides clear cases, the rest of a surface being no farther from those than measured.
    """
    found = torch.zeros(len(poses), dtype=torch.bool)
    for first in range(0, len(poses), rows):
        block = poses[slice(first, first + rows)]
        right, left = _surfaces(block, hands)
        apart = _nearest(right[:, ::8], left[:, ::8])
        slack = sum(torch.cdist(v, v[:, ::8], compute_mode=_EXACT).amin(2).amax(1) for v in (right, left))
        open_cases = ((apart > limit) & (apart - slack <= limit)).nonzero()[:, 0]
        apart[open_cases] = distances_apart(block[open_cases], hands)
        found[first : first + rows] = apart <= limit
    return found


def _surfaces(poses: TwoHandPose, hands: Hands) -> tuple[Float[Tensor, "b v 3"], Float[Tensor, "b v 3"]]:
    right, left = (poses.side(side).pose(hands[side]).vertices for side in Side)
    return right, left


def _nearest(right: Float[Tensor, "b v 3"], left: Float[Tensor, "b v 3"]) -> Float[Tensor, "b"]:
    return torch.cdist(right, left, compute_mode=_EXACT).amin((1, 2))


def _nearest_of_two(right: Float[Tensor, "v 3"], left: Float[Tensor, "w 3"]) -> Float[Tensor, ""]:
    """What the whole table of distances has as its minimum, from a small part of it.

    Some vertices of both give an upper bound; the nearest pair lies within that of the other hand's bounding box.
    """
    bound = torch.cdist(right[::8], left[::8], compute_mode=_EXACT).amin()
    near = [_around(right, left, bound), _around(left, right, bound)]
    return torch.cdist(*near, compute_mode=_EXACT).amin() if all(map(len, near)) else bound


def _around(
    points: Float[Tensor, "v 3"], others: Float[Tensor, "w 3"], distance: Float[Tensor, ""]
) -> Float[Tensor, "u 3"]:
    low, high = others.amin(0) - distance - _MARGIN, others.amax(0) + distance + _MARGIN
    return points[((points >= low) & (points <= high)).all(1)]

"""Batches of hand poses. Full axis-angle in radians, metres, world frame; the fields are MANO's own names."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from hands.joints import Side
from hands.model import HandModel, PosedHand


@dataclass(frozen=True, eq=False)
class HandPose:
    """A batch of poses of one hand."""

    global_orient: Float[Tensor, "b 3"]
    hand_pose: Float[Tensor, "b 45"]
    betas: Float[Tensor, "b 10"]
    transl: Float[Tensor, "b 3"]

    def __len__(self) -> int:
        return len(self.transl)

    def __getitem__(self, rows: slice | list[int] | Tensor) -> "HandPose":
        return HandPose(*(getattr(self, f.name)[rows] for f in fields(self)))

    def pose(self, model: HandModel) -> PosedHand:
        """Run the hand layer."""
        return model(self.global_orient, self.hand_pose, self.betas, self.transl)

    def to(self, where: str | torch.device | torch.dtype) -> "HandPose":
        """The same batch on another device or in another precision."""
        return HandPose(*(getattr(self, f.name).to(where) for f in fields(self)))

    def moved(self, offset: Float[Tensor, "b 3"]) -> "HandPose":
        """The same pose shifted by metres in the world."""
        return HandPose(self.global_orient, self.hand_pose, self.betas, self.transl + offset)


@dataclass(frozen=True, eq=False)
class TwoHandPose:
    """A batch of two-hand poses in one world frame."""

    right: HandPose
    left: HandPose

    def __len__(self) -> int:
        return len(self.right)

    def __getitem__(self, rows: slice | list[int] | Tensor) -> "TwoHandPose":
        return TwoHandPose(self.right[rows], self.left[rows])

    def side(self, side: Side) -> HandPose:
        """The pose of one hand."""
        return self.right if side is Side.RIGHT else self.left

    def to(self, where: str | torch.device | torch.dtype) -> "TwoHandPose":
        """The same batch on another device or in another precision."""
        return TwoHandPose(self.right.to(where), self.left.to(where))

    def moved(self, offset: Float[Tensor, "b 3"]) -> "TwoHandPose":
        """Both hands shifted together."""
        return TwoHandPose(self.right.moved(offset), self.left.moved(offset))

    @staticmethod
    def stack(poses: "list[TwoHandPose]") -> "TwoHandPose":
        """One batch of many."""
        join = lambda hands: HandPose(*(torch.cat([getattr(h, f.name) for h in hands]) for f in fields(HandPose)))  # noqa: E731
        return TwoHandPose(join([p.right for p in poses]), join([p.left for p in poses]))


def mirrored_hands(poses: TwoHandPose) -> TwoHandPose:
    """The mirror image in x, each hand now the other; exact where one model is the other mirrored, as of the free hand."""
    return TwoHandPose(_mirrored(poses.left), _mirrored(poses.right))


def _mirrored(pose: HandPose) -> HandPose:
    turn = pose.transl.new_tensor([1.0, -1.0, -1.0])
    shift = pose.transl.new_tensor([-1.0, 1.0, 1.0])
    return HandPose(pose.global_orient * turn, pose.hand_pose * turn.repeat(15), pose.betas, pose.transl * shift)

"""A batch as networks take it: tensors of b images and of both hands in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int8, Num
from torch import Tensor

from hands.joints import Side
from hands.pose import HandPose

MASKS = ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth")
"""Label pictures that a batch can carry."""


@dataclass(frozen=True, eq=False)
class HandTargets:
    """One hand of each image, camera frame. Names and meanings are those of the columns of `images`."""

    global_orient: Float[Tensor, "b 3"]
    """Axis-angle, radians."""
    hand_pose: Float[Tensor, "b 45"]
    """Axis-angle in MANO's order, radians, mean added."""
    betas: Float[Tensor, "b 10"]
    transl: Float[Tensor, "b 3"]
    """Metres."""
    joints_3d: Float[Tensor, "b 21 3"]
    """Metres."""
    joints_2d: Float[Tensor, "b 21 2"]
    """Pixels."""
    joint_state: Int8[Tensor, "b 21"]
    """Values of `hands.joints.JointState`."""
    bbox: Float[Tensor, "b 4"]
    """(x, y, width, height) in pixels, zeros for a hand outside the image."""
    visible_fraction: Float[Tensor, "b"]

    @property
    def pose(self) -> HandPose:
        """What the hand layer takes to give this hand's vertices."""
        return HandPose(self.global_orient, self.hand_pose, self.betas, self.transl)

    def tensors(self) -> tuple[Tensor, ...]:
        """Its tensors, in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def map(self, change: Callable[[Tensor], Tensor]) -> "HandTargets":
        """The same with every tensor changed."""
        return HandTargets(*map(change, self.tensors()))


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """b images with their labels."""

    sample_ids: list[str]
    image: Num[Tensor, "b 3 h w"]
    """RGB: 0 to 255 as loaded (uint8, channels last in memory), 0 to 1 as augmented (float32)."""
    K: Float[Tensor, "b 3 3"]
    """Intrinsics in pixels: `joints_2d` is the projection of `joints_3d` by K."""
    R: Float[Tensor, "b 3 3"]
    """World to camera."""
    t: Float[Tensor, "b 3"]
    """World to camera, metres."""
    right: HandTargets
    left: HandTargets
    masks: dict[str, Num[Tensor, "b h w"]]
    """Those of `MASKS` that were asked for: numbers as stored (uint8), `depth` in metres (float32)."""

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __getitem__(self, rows: slice) -> "ImageBatch":
        """Neighbouring images of the batch; their tensors share its memory."""
        return replace(self._map(lambda tensor: tensor[rows]), sample_ids=self.sample_ids[rows])

    @staticmethod
    def joined(batches: "Sequence[ImageBatch]") -> "ImageBatch":
        """One batch of several whose images have one size; a single one as it is."""
        first = batches[0]
        if len(batches) == 1:
            return first
        join = lambda parts: torch.cat(list(parts))  # noqa: E731
        columns = {side: zip(*(batch.hand(side).tensors() for batch in batches), strict=True) for side in Side}
        return ImageBatch(
            [name for batch in batches for name in batch.sample_ids],
            **{name: join(getattr(batch, name) for batch in batches) for name in ("image", "K", "R", "t")},
            **{str(side): HandTargets(*map(join, parts)) for side, parts in columns.items()},
            masks={name: join(batch.masks[name] for batch in batches) for name in first.masks},
        )

    def hand(self, side: Side) -> HandTargets:
        """The targets of one hand."""
        return self.right if side is Side.RIGHT else self.left

    def to(self, device: str | torch.device, non_blocking: bool = False) -> "ImageBatch":
        """The same batch on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "ImageBatch":
        """A copy in page-locked memory, from which a GPU copies faster."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "ImageBatch":
        return replace(
            self,
            **{name: change(getattr(self, name)) for name in ("image", "K", "R", "t")},
            right=self.right.map(change),
            left=self.left.map(change),
            masks={name: change(mask) for name, mask in self.masks.items()},
        )

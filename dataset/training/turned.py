"""Pictures and labels of a batch under one similarity each: nothing else decides what either becomes."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from dataset.training.batch import HandTargets, ImageBatch
from dataset.training.boxes import enclosing_box, with_boxes
from dataset.training.resample import resampled
from dataset.training.similarity import Parts, moved, parts
from dataset.training.turned_masks import turned_masks, with_visible_fractions
from hands.joints import JointState, Side
from hands.model import HandModel
from hands.rotations import axis_angle_to_matrix, matrix_to_axis_angle

_MIRROR = (-1.0, 1.0, 1.0)


def turned(
    batch: ImageBatch, matrix: Float[Tensor, "b 2 3"], size: int, hands: Mapping[Side, HandModel] | None = None
) -> ImageBatch:
    """The batch as the camera would have seen it had the similarity been a turn of the camera and a change of its lens.

    The picture is float, 0 to 1, `size` × `size`. `joints_2d` stays the projection of `joints_3d` by K, the hand layer
    stays at `joints_3d`, and world points (of the mirrored world where the matrix mirrors) still reach the camera frame by
    R and t. Where it mirrors, right and left change places; shapes are kept, which is exact for hands that mirror each other.

    Args:
        batch: as loaded, or already turned.
        matrix: from pixels of the pictures to pixels of the new ones; a similarity, mirroring or not.
        size: side of the new pictures, pixels.
        hands: layers on the device of the batch, for boxes that are tight around the hand's projected surface. Without, a
            box encloses the turned old box. Boxes are cut by the new picture.

    A joint outside the new picture gets that state; one that the old picture did not show keeps it even where the new one
    would have room. `visible_fraction` is counted again when `mask_hands` and the amodal masks are carried, else it is
    that of the whole old picture.
    """
    how = parts(matrix)
    mirror = _mirror(how)
    last = matrix.new_tensor([0, 0, 1]).expand(len(matrix), 1, 3)
    own = {side: _turned_hand(batch.hand(side), matrix, how, size) for side in Side}
    new = {side: _chosen(how.mirrored, own[side.other], own[side]) for side in Side}
    result = ImageBatch(
        sample_ids=batch.sample_ids,
        image=resampled(unit_range(batch.image), matrix, size),
        K=torch.cat([matrix, last], dim=1) @ batch.K @ how.turn.mT,
        R=how.turn @ batch.R @ mirror,
        t=torch.einsum("bij,bj->bi", how.turn, batch.t),
        right=new[Side.RIGHT],
        left=new[Side.LEFT],
        masks=turned_masks(batch.masks, matrix, how.mirrored, size),
    )
    return with_boxes(with_visible_fractions(result), hands) if hands else with_visible_fractions(result)


def _turned_hand(hand: HandTargets, matrix: Float[Tensor, "b 2 3"], how: Parts, size: int) -> HandTargets:
    """Still under its own side. A hand turns about its rest wrist, which is where its wrist is less `transl`."""
    mirror = _mirror(how)
    joints_3d, joints_2d = hand.joints_3d @ how.turn.mT, moved(hand.joints_2d, matrix)
    orient = how.turn @ axis_angle_to_matrix(hand.global_orient) @ mirror
    rest_wrist = torch.einsum("bij,bj->bi", mirror, hand.joints_3d[:, 0] - hand.transl)
    outside = ((joints_2d < 0) | (joints_2d >= size)).any(-1) | (joints_3d[..., 2] <= 0)
    return HandTargets(
        global_orient=matrix_to_axis_angle(orient),
        hand_pose=torch.where(how.mirrored[:, None], _mirrored_rotations(hand.hand_pose), hand.hand_pose),
        betas=hand.betas,
        transl=joints_3d[:, 0] - rest_wrist,
        joints_3d=joints_3d,
        joints_2d=joints_2d,
        joint_state=hand.joint_state.masked_fill(outside, JointState.OUTSIDE_IMAGE),
        bbox=enclosing_box(hand.bbox, matrix, size),
        visible_fraction=hand.visible_fraction,
    )


def _mirror(how: Parts) -> Float[Tensor, "b 3 3"]:
    """The mirroring in x, or nothing."""
    eye = torch.eye(3, dtype=how.turn.dtype, device=how.turn.device)
    return torch.where(how.mirrored[:, None, None], eye * eye.new_tensor(_MIRROR), eye)


def _mirrored_rotations(axis_angles: Float[Tensor, "b 45"]) -> Float[Tensor, "b 45"]:
    """Mirroring in x turns the axis as it turns any arrow, and the sense of the angle round."""
    return axis_angles * -axis_angles.new_tensor(_MIRROR).repeat(15)


def _chosen(where: Bool[Tensor, "b"], one: HandTargets, other: HandTargets) -> HandTargets:
    pick = lambda a, b: torch.where(where.view(-1, *[1] * (a.ndim - 1)), a, b)  # noqa: E731
    return HandTargets(*map(pick, one.tensors(), other.tensors()))


def unit_range(image: Num[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Pictures of 0 to 255 (integers), or of 0 to 1 already, as 0 to 1."""
    return image if image.is_floating_point() else image.float() / 255

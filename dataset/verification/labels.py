"""Are the labels of an image right? Each check compares a label with geometry or with another label.

A check takes rows of `images` and yields `(sample_id, sentence)` for what is wrong.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from dataset.pictures import photo, values
from dataset.rows import camera_of, joints_2d, joints_3d, pose_of
from hands.joints import JointState, Side
from hands.model import HandModel

MAX_PROJECTION_PX = 0.01
MAX_JOINT_MM = 0.1
MAX_FRACTION = 0.01
MAX_BOX_PX = 2.0
"""A box is that of the surface, a mask that of pixel centres: thin tips fall between them."""
MASKS = ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth")
NUMBER = {Side.RIGHT: 1, Side.LEFT: 2}
"""Value of each hand in `mask_hands`."""
PARTS = 16
FOREARMS = (33, 34)
"""Numbers of the forearms in `mask_parts`."""

Rows = Sequence[Mapping[str, Any]]
Findings = Iterator[tuple[str, str]]
Masks = dict[str, Int[np.ndarray, "h w"]]


def check_labels(rows: Rows, hands: Mapping[Side, HandModel], poses: Mapping[str, Mapping[str, Any]]) -> Findings:
    """Every check on some rows of `images`; `poses` maps a pose id to its row of `poses`."""
    yield from check_hand_layer(rows, hands)
    yield from check_poses(rows, hands, poses)
    for row in rows:
        for sentence in _row_findings(row):
            yield row["sample_id"], sentence


def check_hand_layer(rows: Rows, hands: Mapping[Side, HandModel]) -> Findings:
    """The stored parameters, run through the hand layer, give the stored joints."""
    for side, model in hands.items():
        stored = np.stack([joints_3d(row[side]) for row in rows])
        distance = _millimetres(stored, _joints([row[side] for row in rows], model))
        for row, gap in zip(rows, distance, strict=True):
            if not gap <= MAX_JOINT_MM:
                yield row["sample_id"], f"{side}: parameters give joints {gap:.2f} mm from joints_3d"


def check_poses(rows: Rows, hands: Mapping[Side, HandModel], poses: Mapping[str, Mapping[str, Any]]) -> Findings:
    """The world-frame pose of `poses`, seen by the row's camera, has the stored joints."""
    known = [row for row in rows if row["pose_id"] in poses]
    for row in rows:
        if row["pose_id"] not in poses:
            yield row["sample_id"], f"its pose {row['pose_id']} is not in poses"
    for side, model in hands.items() if known else ():
        world = _joints([poses[row["pose_id"]][side] for row in known], model)
        seen = np.stack([camera_of(row).to_camera(joints) for row, joints in zip(known, world, strict=True)])
        distance = _millimetres(np.stack([joints_3d(row[side]) for row in known]), seen)
        for row, gap in zip(known, distance, strict=True):
            if not gap <= MAX_JOINT_MM:
                yield row["sample_id"], f"{side}: joints_3d are {gap:.2f} mm from its pose seen by this camera"


def _joints(cells: Rows, model: HandModel) -> Float[np.ndarray, "b 21 3"]:
    with torch.no_grad():
        return model.joints_21(pose_of(cells, model.v_template.dtype).pose(model)).double().cpu().numpy()


def _millimetres(a: Float[np.ndarray, "b 21 3"], b: Float[np.ndarray, "b 21 3"]) -> Float[np.ndarray, "b"]:
    """Largest distance between the joints of each pair."""
    return 1e3 * np.linalg.norm(a - b, axis=-1).max(-1)


def _row_findings(row: Mapping[str, Any]) -> Iterator[str]:
    yield from _camera(row)
    for side in Side:
        yield from (f"{side}: {sentence}" for sentence in _projection(row, side))
    masks, unreadable = _pictures(row)
    yield from unreadable
    if unreadable:
        return
    yield from _masks(masks)
    for side in Side:
        yield from (f"{side}: {sentence}" for check in _HAND_CHECKS for sentence in check(row[side], masks, side))


def _camera(row: Mapping[str, Any]) -> Iterator[str]:
    R = camera_of(row).R
    if not (np.allclose(R @ R.T, np.eye(3), atol=1e-6) and np.linalg.det(R) > 0):
        yield "camera.R is not a rotation"


def _projection(row: Mapping[str, Any], side: Side) -> Iterator[str]:
    camera, points = camera_of(row), joints_3d(row[side])
    states, pixels = np.asarray(row[side]["joint_state"]), joints_2d(row[side])
    gap = np.linalg.norm(pixels - camera.project(points), axis=1).max()
    if not gap <= MAX_PROJECTION_PX:
        yield f"joints_2d are {gap:.2f} px from the projection of joints_3d"
    if not np.isin(states, list(JointState)).all():
        yield "joint_state has a value outside 0–3"
    outside = ((pixels < 0) | (pixels >= (row["width"], row["height"]))).any(1) | (points[:, 2] <= 0)
    if (outside != (states == JointState.OUTSIDE_IMAGE)).any():
        yield "joint_state calls a joint inside the image outside, or one outside inside"


def _pictures(row: Mapping[str, Any]) -> tuple[Masks, list[str]]:
    """The decoded masks, and what could not be decoded or has another size than the row says."""
    decoded, wrong = {}, []
    for name in ("image", *MASKS):
        try:
            decoded[name] = np.asarray(photo(row[name])) if name == "image" else values(row[name])
        except (OSError, ValueError, SyntaxError) as error:
            wrong.append(f"{name} cannot be decoded ({error})")
            continue
        height, width = decoded[name].shape[:2]
        if (width, height) != (row["width"], row["height"]):
            wrong.append(f"{name} is {width}×{height} where the row says {row['width']}×{row['height']}")
    return {name: decoded[name] for name in MASKS if name in decoded}, wrong


def _masks(masks: Masks) -> Iterator[str]:
    shown = masks["mask_hands"]
    if shown.max() > 2:
        yield "mask_hands has a value above 2"
    if (_hand_of_part(masks["mask_parts"]) != shown).any():
        yield f"mask_parts and mask_hands disagree in {(_hand_of_part(masks['mask_parts']) != shown).sum()} pixels"
    if ((masks["depth"] > 0) != (masks["mask_parts"] > 0)).any():
        yield f"depth and mask_parts disagree in {((masks['depth'] > 0) != (masks['mask_parts'] > 0)).sum()} pixels"


def _hand_of_part(parts: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """0, 1 or 2 for parts of no, the right, the left hand; 3 for a part that does not exist."""
    return np.where(np.isin(parts, FOREARMS), 0, -(-parts // PARTS))


def _amodal(hand: Mapping[str, Any], masks: Masks, side: Side) -> Iterator[str]:
    shown, alone = masks["mask_hands"] == NUMBER[side], masks[f"mask_{side}_amodal"]
    if alone.max() > 1:
        yield "the amodal mask has a value above 1"
    if (shown & (alone == 0)).any():
        yield f"{(shown & (alone == 0)).sum()} visible pixels lie outside the amodal mask"
    fraction = shown.sum() / max((alone > 0).sum(), 1)
    if not abs(fraction - hand["visible_fraction"]) <= MAX_FRACTION:
        yield f"visible_fraction is {hand['visible_fraction']:.3f} where the masks say {fraction:.3f}"


def _box(hand: Mapping[str, Any], masks: Masks, side: Side) -> Iterator[str]:
    """Where the outline is cut by the border, the box may reach further along the border than the pixels do."""
    amodal = masks[f"mask_{side}_amodal"] > 0
    border = np.array([*amodal.shape[::-1], *amodal.shape[::-1]], dtype=float)
    found, expected = _corners(hand["bbox"]), _corners(mask_box(amodal))
    beyond = np.concatenate([found[:2] - expected[:2], expected[2:] - found[2:]])
    cut = (found <= MAX_BOX_PX).any() or (found[2:] >= border[2:] - MAX_BOX_PX).any()
    if not beyond.max() <= MAX_BOX_PX or (not cut and not -beyond.min() <= MAX_BOX_PX):
        yield f"bbox is {np.round(hand['bbox'], 1).tolist()} where the amodal mask says {mask_box(amodal).tolist()}"


def _corners(box: Float[np.ndarray, "4"] | list[float]) -> Float[np.ndarray, "4"]:
    """(left, top, right, bottom) of (x, y, width, height)."""
    x, y, width, height = (float(value) for value in box)
    return np.array([x, y, x + width, y + height])


def _visible_joints(hand: Mapping[str, Any], masks: Masks, side: Side) -> Iterator[str]:
    """A joint on the silhouette may round to the pixel beside it, hence the margin of 1/128 of the width.

    The wrist lies where hand and forearm meet, and may be seen through either.
    """
    own = (masks["mask_hands"] == NUMBER[side]) | (masks["mask_parts"] == FOREARMS[NUMBER[side] - 1])
    margin = max(2, own.shape[1] // 128)
    seen = joints_2d(hand)[np.asarray(hand["joint_state"]) == JointState.VISIBLE]
    seen = np.nan_to_num(np.floor(seen), nan=-margin).astype(int)
    astray = [pixel for pixel in seen if not _around(own, pixel, margin).any()]
    if astray:
        yield f"{len(astray)} visible joints lie away from the hand's mask, the first at {tuple(astray[0].tolist())}"


_HAND_CHECKS: tuple[Callable[..., Iterator[str]], ...] = (_amodal, _box, _visible_joints)


def mask_box(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "4"]:
    """(x, y, width, height) of the set pixels, zeros when there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1], dtype=float)


def _around(mask: Bool[np.ndarray, "h w"], pixel: Int[np.ndarray, "2"], margin: int) -> Bool[np.ndarray, "r c"]:
    x, y = np.clip(pixel, -margin, np.array(mask.shape[::-1]) + margin)
    return mask[max(y - margin, 0) : y + margin + 1, max(x - margin, 0) : x + margin + 1]

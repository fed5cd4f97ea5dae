"""Do the pictures of an image agree with its labels? Masks, depth and normals are opened and compared with one another, with
the joints, and with the hands' surface projected by the row's camera.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from PIL import Image, ImageDraw

from dataset.pictures import DEPTH_UNIT, photo, values
from dataset.rows import camera_of, joints_2d, joints_3d, pose_of
from hands.joints import JointState, Side
from hands.model import HandModel

MAX_FRACTION = 0.01
MAX_BOX_PX = 2.0
"""A box is that of the surface, a mask that of pixel centres: thin tips fall between them."""
DEPTH_BEHIND_M = (-0.025, 0.15)
"""A visible joint lies behind the skin, at most a hand's length: the line of sight may run along a finger into the palm."""
MIN_OVERLAP = 0.85
"""Of an amodal mask with the hand's coarse surface; the drawn surface is the smooth one, a little thinner."""
MIN_PIXELS = 400
"""Of a hand, for its overlap to mean something."""
NEAR = 0.02
"""Metres before the camera within which a surface is not projected."""
MASKS = ("mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth")
NUMBER = {Side.RIGHT: 1, Side.LEFT: 2}
"""Value of each hand in `mask_hands`."""
PARTS = 16
FOREARMS = (33, 34)
"""Numbers of the forearms in `mask_parts`."""

Rows = Sequence[Mapping[str, Any]]
Masks = dict[str, Int[np.ndarray, "h w"]]


def check_pictures(rows: Rows, hands: Mapping[Side, HandModel]) -> Iterator[tuple[str, str]]:
    """`(sample_id, sentence)` for all that is wrong with the pictures of some rows of `images`."""
    surfaces = {side: _surface([row[side] for row in rows], model) for side, model in hands.items()}
    for number, row in enumerate(rows):
        of_row = {side: vertices[number] for side, vertices in surfaces.items()}
        for sentence in _row_findings(row, hands, of_row):
            yield row["sample_id"], sentence


def _surface(cells: Rows, model: HandModel) -> Float[np.ndarray, "b v 3"]:
    with torch.no_grad():
        return pose_of(cells, model.v_template.dtype).pose(model).vertices.double().numpy()


def _row_findings(
    row: Mapping[str, Any], hands: Mapping[Side, HandModel], surfaces: Mapping[Side, np.ndarray]
) -> Iterator[str]:
    masks, unreadable = _pictures(row)
    yield from unreadable
    if unreadable:
        return
    yield from _masks(masks)
    for side in Side:
        yield from (f"{side}: {sentence}" for check in _HAND_CHECKS for sentence in check(row[side], masks, side))
        yield from (f"{side}: {s}" for s in _outline(row, masks, side, surfaces[side], hands[side].arrays.faces))


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
    wrong += [] if row["normals"] is None or wrong else _normals(row, decoded["depth"])
    return {name: decoded[name] for name in MASKS if name in decoded}, wrong


def _normals(row: Mapping[str, Any], depth: Int[np.ndarray, "h w"]) -> list[str]:
    """Unit vectors exactly where there is a surface."""
    try:
        colours = np.asarray(photo(row["normals"])).astype(float)
    except (OSError, ValueError, SyntaxError) as error:
        return [f"normals cannot be decoded ({error})"]
    there = colours.any(-1)
    length = np.linalg.norm(colours / 127.5 - 1, axis=-1)[there]
    if there.shape != depth.shape or (there != (depth > 0)).any():
        return ["normals and depth are not of the same pixels"]
    return ["normals are not of unit length"] if (np.abs(length - 1) > 0.02).any() else []


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


def _depths(hand: Mapping[str, Any], masks: Masks, side: Side) -> Iterator[str]:
    """Depth at a visible joint, or beside it where an edge passes, is that of the skin before it."""
    depth = np.where(masks["mask_hands"] == NUMBER[side], masks["depth"] * DEPTH_UNIT, np.nan)
    seen = np.asarray(hand["joint_state"]) == JointState.VISIBLE
    low, high = DEPTH_BEHIND_M
    wrong = []
    for (x, y), z in zip(np.nan_to_num(joints_2d(hand)[seen], nan=-9), joints_3d(hand)[seen][:, 2], strict=True):
        around = _around(depth, np.array([int(x // 1), int(y // 1)]), 1)
        behind = z - around[np.isfinite(around)]
        if behind.size and not ((behind >= low) & (behind <= high)).any():
            wrong.append(np.abs(behind).min())
    if wrong:
        yield f"depth at {len(wrong)} visible joints is not that of the hand, by up to {100 * max(wrong):.1f} cm"


def _outline(
    row: Mapping[str, Any],
    masks: Masks,
    side: Side,
    surface: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
) -> Iterator[str]:
    """The amodal mask is the outline of the hand that the parameters describe."""
    if not surface[:, 2].min() > NEAR:
        return
    drawing = Image.new("1", (row["width"], row["height"]))
    pen = ImageDraw.Draw(drawing)
    for triangle in camera_of(row).project(surface)[faces]:
        pen.polygon([tuple(corner) for corner in triangle.tolist()], fill=1)
    drawn, told = np.asarray(drawing), masks[f"mask_{side}_amodal"] > 0
    both, either = (drawn & told).sum(), (drawn | told).sum()
    if either > MIN_PIXELS and both < MIN_OVERLAP * either:
        yield f"the amodal mask and the projected hand overlap by {both / either:.2f}, at least {MIN_OVERLAP} is expected"


_HAND_CHECKS: tuple[Callable[..., Iterator[str]], ...] = (_amodal, _box, _visible_joints, _depths)


def mask_box(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "4"]:
    """(x, y, width, height) of the set pixels, zeros when there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1], dtype=float)


def _around(mask: Shaped[np.ndarray, "h w"], pixel: Int[np.ndarray, "2"], margin: int) -> Shaped[np.ndarray, "r c"]:
    x, y = np.clip(pixel, -margin, np.array(mask.shape[::-1]) + margin)
    return mask[max(y - margin, 0) : y + margin + 1, max(x - margin, 0) : x + margin + 1]

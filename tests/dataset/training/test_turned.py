"""After a similarity, labels still describe the picture: by projection, by the hand layer and by what is seen."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.errors import InputError
from dataset.training.batch import MASKS, ImageBatch
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from dataset.training.resample import resampled, resampled_numbers
from dataset.training.similarity import inverse, moved, parts, square_crop
from dataset.training.turned import turned
from hands.joints import JointState, Side
from hands.model import HandModel

SIZE = 96
CHANGES = {
    "nothing but a crop": (0.0, 130.0, False),
    "turned": (0.7, 150.0, False),
    "turned far": (-2.6, 150.0, False),
    "mirrored": (0.0, 150.0, True),
    "mirrored and turned": (1.1, 170.0, True),
    "enlarged": (-0.3, 60.0, False),
    "shrunk": (0.4, 420.0, True),
}
"""Name to angle, side of the square that is cut out (pixels) and whether it is mirrored."""


def matrix(change: tuple[float, float, bool], count: int, centre: tuple[float, float] = (131.0, 95.0)) -> torch.Tensor:
    angle, side, mirrored = change
    full = lambda value: torch.full((count,), value)  # noqa: E731
    return square_crop(torch.tensor([centre] * count), full(side), full(angle), full(mirrored), SIZE)


@pytest.fixture(scope="module")
def batch(many_dir) -> ImageBatch:
    """Five images, both hands inside."""
    return next(iter(ImageBatches(many_dir, "train", Batching(5, shuffle=False, lanes=1), masks=MASKS)))


@pytest.fixture(scope="module", params=CHANGES)
def change(request) -> tuple[float, float, bool]:
    return CHANGES[request.param]


@pytest.fixture(scope="module")
def new(batch, change) -> ImageBatch:
    return turned(batch, matrix(change, len(batch)), SIZE)


def projected(points: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    seen = points @ K.mT
    return seen[..., :2] / seen[..., 2:]


def test_joints_2d_are_the_projection_of_joints_3d(new):
    for side in Side:
        assert (projected(new.hand(side).joints_3d, new.K) - new.hand(side).joints_2d).abs().max() < 1e-3


def test_joints_2d_are_where_the_matrix_brings_them(batch, new, change):
    for side in Side:
        before = batch.hand(side.other if change[2] else side).joints_2d
        assert (new.hand(side).joints_2d - moved(before, matrix(change, len(batch)))).abs().max() < 1e-3


def test_intrinsics_stay_those_of_a_camera(batch, new, change):
    """No skew, and the focal length of the old camera times the scale."""
    scale = SIZE / change[1]
    assert torch.allclose(new.K[:, 0, 0], batch.K[:, 0, 0] * scale, rtol=1e-5)
    assert torch.allclose(new.K[:, 1, 1], new.K[:, 0, 0], rtol=1e-5)
    assert new.K[:, [0, 1, 2, 2], [1, 0, 0, 1]].abs().max() < 1e-3


def test_the_hand_layer_still_gives_the_joints(new, hands):
    for side in Side:
        target = new.hand(side)
        found = hands[side].joints_21(target.pose.pose(hands[side]))
        assert (found - target.joints_3d).norm(dim=-1).max() < 2e-5


def test_a_hand_turns_about_its_rest_wrist_wherever_that_is(batch, hands, change):
    """As MANO's, whose wrist is not the origin, and lies elsewhere for another shape."""
    offset = np.array([0.095, -0.006, 0.0061])
    for side, model in (shifted := dict(hands)).items():
        away = offset * ([1, 1, 1] if side is Side.RIGHT else [-1, 1, 1])
        growing = model.arrays.shapedirs + 0.02 * away[:, None]
        arrays = replace(model.arrays, v_template=model.arrays.v_template + away, shapedirs=growing)
        shifted[side] = HandModel(arrays)
    with_wrists = {}
    for side in Side:
        target = batch.hand(side)
        target = replace(target, betas=target.betas + torch.linspace(-1, 1, 10))
        posed = target.pose.pose(shifted[side])
        with_wrists[side.value] = replace(target, joints_3d=shifted[side].joints_21(posed))
    new = turned(replace(batch, **with_wrists), matrix(change, len(batch)), SIZE)
    for side in Side:
        found = shifted[side].joints_21(new.hand(side).pose.pose(shifted[side]))
        assert (found - new.hand(side).joints_3d).norm(dim=-1).max() < 2e-5


def test_distances_between_hands_are_kept(batch, new, change):
    left, right = (new.left, new.right) if not change[2] else (new.right, new.left)
    before = torch.cdist(batch.right.joints_3d, batch.left.joints_3d)
    assert (torch.cdist(right.joints_3d, left.joints_3d) - before).abs().max() < 1e-5


def test_the_camera_still_sees_the_world_where_the_joints_are(batch, new, change):
    """World joints, mirrored in x where the picture is, come to the new camera's joints by the new R and t."""
    assert torch.allclose(torch.linalg.det(new.R), torch.ones(len(new)), atol=1e-5)
    flip = torch.tensor([-1.0, 1, 1]) if change[2] else torch.ones(3)
    for side in Side:
        old = batch.hand(side.other if change[2] else side).joints_3d
        world = (old - batch.t[:, None]) @ batch.R * flip
        seen = world @ new.R.mT + new.t[:, None]
        assert (seen - new.hand(side).joints_3d).abs().max() < 1e-5


def dots(batch: ImageBatch, side: Side, joint: int, width: float) -> torch.Tensor:
    """Pictures that show one joint as a soft dot, drawn at `joints_2d` with pixel (0, 0) covering [0, 1) × [0, 1)."""
    height, across = batch.image.shape[2:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(across) + 0.5, indexing="ij")
    u, v = batch.hand(side).joints_2d[:, joint, :, None, None].unbind(1)
    return torch.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * width**2))[:, None].expand(-1, 3, -1, -1)


def centroids(pictures: torch.Tensor) -> torch.Tensor:
    places = torch.arange(SIZE) + 0.5
    weight = pictures[:, 0] / pictures[:, 0].sum((1, 2), keepdim=True)
    return torch.stack([(weight.sum(1) * places).sum(1), (weight.sum(2) * places).sum(1)], dim=-1)


@pytest.mark.parametrize("joint", [0, 6, 12])
def test_a_dot_painted_at_a_joint_is_where_the_new_labels_say(batch, new, change, joint):
    """The square is cut out around the joint, a little beside its middle."""
    angle, extent, mirrored = change
    width = max(2.0, extent / SIZE)
    for side in Side:
        centre = batch.hand(side).joints_2d[:, joint] + torch.tensor([5.3, -3.9]) * extent / SIZE
        full = lambda value: torch.full((len(batch),), value)  # noqa: E731
        cut = square_crop(centre, full(extent), full(angle), full(mirrored), SIZE)
        shown = turned(replace(batch, image=dots(batch, side, joint, width)), cut, SIZE)
        labelled = shown.hand(side.other if mirrored else side).joints_2d[:, joint]
        reach = 4 * width  # of the dot, inside the old picture
        whole = (
            (batch.hand(side).joints_2d[:, joint] > reach) & (batch.hand(side).joints_2d[:, joint] < 192 - reach)
        ).all(-1)
        assert whole.any()
        assert (centroids(shown.image)[whole] - labelled[whole]).abs().max() < 0.05


def looked_up(picture: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The old pixel in which each new pixel's centre lies, one by one."""
    result = np.zeros((SIZE, SIZE), picture.dtype)
    for row in range(SIZE):
        for column in range(SIZE):
            x, y = back @ [column + 0.5, row + 0.5, 1]
            if 0 <= x < picture.shape[1] and 0 <= y < picture.shape[0]:
                result[row, column] = picture[int(y), int(x)]
    return result


SWAPPED = {"mask_right_amodal": "mask_left_amodal", "mask_left_amodal": "mask_right_amodal"}


def swapped(name: str, numbers: np.ndarray) -> np.ndarray:
    if name == "mask_hands":
        return np.where(numbers == 0, 0, 3 - numbers)
    if name == "mask_parts":
        return np.select([numbers == 0, numbers <= 16, numbers <= 32], [0, numbers + 16, numbers - 16], 67 - numbers)
    return numbers


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_the_old_pixels_under_the_new_ones(batch, new, change, name):
    back = inverse(matrix(change, 1))[0].double().numpy()
    old = batch.masks[SWAPPED.get(name, name) if change[2] else name][0].numpy()
    expected = looked_up(swapped(name, old.astype(int)) if change[2] and name != "depth" else old, back)
    assert (
        np.asarray(new.masks[name][0]) != expected
    ).mean() < 0.002  # a centre on a pixel's border falls to either side
    assert (expected != 0).any()


def test_numbers_of_both_forearms_change_places(batch):
    parts_of_arms = replace(batch, masks={"mask_parts": torch.full_like(batch.masks["mask_parts"], 33)})
    assert (turned(parts_of_arms, matrix(CHANGES["mirrored"], 5), SIZE).masks["mask_parts"] == 34).any()


def test_one_amodal_mask_alone_is_refused(batch):
    alone = replace(batch, masks={"mask_left_amodal": batch.masks["mask_left_amodal"]})
    with pytest.raises(InputError, match="load both"):
        turned(alone, matrix(CHANGES["turned"], 5), SIZE)


def test_the_picture_shows_each_hand_where_its_mask_is(new, change):
    """Skin differs from the grey background, so a hand's pixels and those of its mask are the same."""
    grey = new.image.new_tensor([70, 82, 96])[:, None, None] / 255
    skin = (new.image - grey).abs().amax(1) > 0.08
    inside = new.image.amax(1) > 0.2
    shown = new.masks["mask_hands"] > 0
    overlap = (skin & inside & shown).sum() / ((skin & inside) | shown).sum()
    assert overlap > (0.9 if change[1] < 200 else 0.7)  # outlines are many of a small hand's pixels


def test_joints_beyond_the_border_are_outside_and_no_others_change(batch, new, change):
    for side in Side:
        target, old = new.hand(side), batch.hand(side.other if change[2] else side)
        beyond = ((target.joints_2d < 0) | (target.joints_2d >= SIZE)).any(-1)
        assert (target.joint_state[beyond] == JointState.OUTSIDE_IMAGE).all()
        assert torch.equal(target.joint_state[~beyond], old.joint_state[~beyond])


def test_a_joint_that_was_not_in_the_picture_stays_outside(batch):
    unseen = replace(batch.right, joint_state=torch.full_like(batch.right.joint_state, JointState.OUTSIDE_IMAGE))
    new = turned(replace(batch, right=unseen), matrix(CHANGES["shrunk"], 5), SIZE)
    assert (new.left.joint_state == JointState.OUTSIDE_IMAGE).all()


def boxes_of(masks: torch.Tensor) -> torch.Tensor:
    """(left, top, right, bottom) of what is set; only for masks that show something."""
    x, y = (masks > 0).any(1), (masks > 0).any(2)
    first = lambda flags: flags.to(torch.uint8).argmax(1)  # noqa: E731
    last = lambda flags: flags.shape[1] - first(flags.flip(1))  # noqa: E731
    return torch.stack([first(x), first(y), last(x), last(y)], dim=-1).float()


@pytest.mark.parametrize("tight", [False, True])
def test_boxes_hold_the_hand_and_are_tight_with_its_layer(batch, change, hands, tight):
    new = turned(batch, matrix(change, len(batch)), SIZE, hands if tight else None)
    for side in Side:
        x, y, width, height = new.hand(side).bbox.unbind(-1)
        corners, seen = torch.stack([x, y, x + width, y + height], -1), boxes_of(new.masks[f"mask_{side}_amodal"])
        assert corners.min() >= 0
        assert corners.max() <= SIZE
        outside = torch.cat([corners[:, :2] - seen[:, :2], seen[:, 2:] - corners[:, 2:]], dim=1)
        pixel = max(1.0, SIZE / change[1])  # of the old picture
        assert outside.max() < 1.5 * pixel
        uncut = ((corners > 1) & (corners < SIZE - 1)).all(
            1
        )  # along a border that cuts the hand a box may reach further
        if tight and uncut.any():
            assert outside[uncut].min() > -1.5 * pixel


def test_a_hand_that_the_picture_does_not_show_has_no_box(batch, hands):
    gone = replace(batch, right=replace(batch.right, bbox=torch.zeros(5, 4)))
    assert (turned(gone, matrix(CHANGES["turned"], 5), SIZE, hands).right.bbox == 0).all()
    far = turned(batch, matrix(CHANGES["enlarged"], 5, (-300.0, 0.0)), SIZE)
    assert (far.right.bbox == 0).all()
    assert (far.left.joint_state == JointState.OUTSIDE_IMAGE).all()


def test_visible_fractions_are_counted_in_the_new_masks(batch, new, change):
    for number, side in enumerate(Side, 1):
        whole = (new.masks[f"mask_{side}_amodal"] > 0).sum((1, 2))
        seen = (new.masks["mask_hands"] == number).sum((1, 2))
        assert torch.allclose(new.hand(side).visible_fraction, seen / whole, atol=1e-6)
    bare = turned(replace(batch, masks={}), matrix(change, len(batch)), SIZE)
    old = batch.left if change[2] else batch.right
    assert torch.equal(bare.right.visible_fraction, old.visible_fraction)


def test_shapes_change_sides_with_their_hands(batch, new, change):
    assert torch.equal(new.right.betas, batch.left.betas if change[2] else batch.right.betas)


def test_mirroring_twice_changes_nothing(batch):
    height, width = batch.image.shape[2:]
    flip = torch.tensor([[[-1.0, 0, width], [0, 1, 0]]]).expand(5, 2, 3)
    square = replace(batch, image=batch.image[..., :height], masks={})
    back = torch.tensor([[[-1.0, 0, height], [0, 1, 0]]]).expand(5, 2, 3)
    twice = turned(turned(square, back, height), back, height)
    assert torch.allclose(twice.image, square.image.float() / 255, atol=1e-5)
    for side in Side:
        for one, other in zip(twice.hand(side).tensors()[:6], square.hand(side).tensors()[:6], strict=True):
            assert (one - other).abs().max() < 1e-3
    assert parts(flip).mirrored.all()


@settings(max_examples=30, deadline=None)
@given(
    angle=st.floats(-math.pi, math.pi),
    side=st.floats(20, 600),
    mirrored=st.booleans(),
    x=st.floats(-100, 300),
    y=st.floats(-100, 300),
)
def test_any_similarity_keeps_labels_and_layer_together(batch, hands, angle, side, mirrored, x, y):
    new = turned(replace(batch, masks={}), matrix((angle, side, mirrored), 5, (x, y)), SIZE)
    for which in Side:
        target = new.hand(which)
        gap = (projected(target.joints_3d, new.K) - target.joints_2d).abs().max()
        assert gap < 1e-3 * max(1, 300 / side)
        layer = hands[which].joints_21(target.pose.pose(hands[which]))
        assert (layer - target.joints_3d).norm(dim=-1).max() < 2e-5


def test_the_matrix_of_a_crop_says_what_it_was_made_of():
    made = matrix((0.4, 48.0, True), 3)
    how = parts(made)
    assert torch.allclose(how.scale, torch.full((3,), SIZE / 48))
    assert how.mirrored.all()
    corner = moved(torch.tensor([[[131.0, 95.0]]]).expand(3, 1, 2), made)
    assert torch.allclose(corner, torch.full((3, 1, 2), SIZE / 2), atol=1e-4)
    x_axis = moved(torch.tensor([[[130.0, 95.0]]]).expand(3, 1, 2), made) - corner
    assert torch.allclose(torch.atan2(x_axis[..., 1], x_axis[..., 0]), torch.full((3, 1), 0.4), atol=1e-4)


def test_a_picture_does_not_depend_on_those_beside_it():
    """Though each shrinks by another amount."""
    pictures = torch.rand(3, 2, 40, 50, generator=torch.Generator().manual_seed(1))
    several = torch.cat([matrix((0.2, side, False), 1, (20.0, 22.0)) for side in (50.0, 200.0, 390.0)])
    whole = resampled(pictures, several, SIZE)
    for number in range(3):
        one = slice(number, number + 1)
        assert torch.allclose(resampled(pictures[one], several[one], SIZE), whole[one], atol=1e-6)


def test_a_shrunk_picture_keeps_its_brightness_where_stripes_would_beat():
    stripes = (torch.arange(384) % 2).float().expand(1, 1, 384, 384)
    shrunk = resampled(stripes, matrix((0.0, 384.0, False), 1, (192.0, 192.0)), SIZE)
    assert (shrunk - 0.5).abs().max() < 1e-6


def test_beyond_the_border_is_black_and_numbers_are_zero():
    far = matrix((0.3, 90.0, False), 1, (-200.0, 10.0))
    assert (resampled(torch.ones(1, 3, 60, 70), far, SIZE) == 0).all()
    assert (resampled_numbers(torch.ones(1, 60, 70, dtype=torch.uint8), far, SIZE) == 0).all()

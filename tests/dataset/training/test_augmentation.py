"""What is drawn, and that a batch follows it."""

from dataclasses import replace

import pytest
import torch

from dataset.errors import InputError
from dataset.training.augmentation import Augmentation, augmented, draw
from dataset.training.batch import ImageBatch
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from hands.joints import Side


@pytest.fixture(scope="module")
def batch(many_dir) -> ImageBatch:
    return next(iter(ImageBatches(many_dir, "train", Batching(8, shuffle=False, lanes=1))))


def seeded(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_draws_fill_their_ranges():
    drawn = draw(Augmentation(shift=0.1), 4000, seeded())
    for values, low, high in (
        (drawn.angle, -torch.pi / 2, torch.pi / 2),
        (drawn.scale, 0.9, 1.1),
        (drawn.shift, -0.1, 0.1),
        (drawn.colours.brightness, 0.8, 1.2),
        (drawn.colours.contrast, 0.8, 1.2),
        (drawn.colours.saturation, 0.8, 1.2),
        (drawn.colours.hue, -0.1, 0.1),
    ):
        span = high - low
        assert low <= values.min() < low + 0.02 * span
        assert high - 0.02 * span < values.max() <= high
    assert abs(drawn.mirrored.float().mean() - 0.5) < 0.03


def test_draws_of_one_kind_say_nothing_of_another():
    drawn = draw(Augmentation(shift=0.1), 4000, seeded())
    columns = [drawn.angle, drawn.scale, *drawn.shift.T, drawn.mirrored.float(), *drawn.colours]
    related = torch.corrcoef(torch.stack(columns)) - torch.eye(9)
    assert related.abs().max() < 0.07


def test_the_generator_alone_decides(batch):
    torch_state = torch.get_rng_state()
    one, same, other = (augmented(batch, Augmentation(size=64), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.image, same.image)
    assert torch.equal(one.left.joints_2d, same.left.joints_2d)
    assert not torch.allclose(one.left.joints_2d, other.left.joints_2d)
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_without_chance_both_hands_fill_their_share_of_the_crop(batch, hands):
    new = augmented(batch, Augmentation.none(size=128, fill=0.8), seeded(), hands)
    boxes = torch.stack([new.right.bbox, new.left.bbox])
    low, high = boxes[..., :2].amin(0), (boxes[..., :2] + boxes[..., 2:]).amax(0)
    assert torch.allclose((high - low).amax(-1), torch.full((8,), 0.8 * 128), atol=1.0)
    assert torch.allclose((high + low) / 2, torch.full((8, 2), 64.0), atol=1.0)
    assert new.image.shape == (8, 3, 128, 128)
    assert new.image.dtype == torch.float32


def test_labels_follow_whatever_was_drawn(batch, hands):
    new = augmented(batch, Augmentation(size=128, shift=0.2, scale=0.5), seeded(), hands)
    for side in Side:
        target = new.hand(side)
        seen = target.joints_3d @ new.K.mT
        assert (seen[..., :2] / seen[..., 2:] - target.joints_2d).abs().max() < 1e-3
        layer = hands[side].joints_21(target.pose.pose(hands[side]))
        assert (layer - target.joints_3d).norm(dim=-1).max() < 2e-5


def test_each_picture_is_scaled_shifted_and_mirrored_as_drawn(batch):
    ranges = replace(Augmentation.none(size=128), scale=0.4, shift=0.2, flip=0.5)
    new, plain = augmented(batch, ranges, seeded()), augmented(batch, Augmentation.none(128), seeded())
    drawn = draw(ranges, len(batch), seeded())
    assert torch.allclose(new.K[:, 0, 0] / plain.K[:, 0, 0], drawn.scale, rtol=1e-4)
    sign = torch.where(drawn.mirrored, -1.0, 1.0)
    middle = (plain.right.joints_2d - 64) * drawn.scale[:, None, None]
    moved = middle * torch.stack([sign, torch.ones(8)], -1)[:, None] + 64
    moved += 128 * (drawn.shift * torch.stack([sign, torch.ones(8)], -1))[:, None]
    right = torch.where(drawn.mirrored[:, None, None], new.left.joints_2d, new.right.joints_2d)
    assert torch.allclose(right, moved, atol=0.01)


def test_colours_leave_geometry_alone_and_the_border_black(batch):
    ranges = Augmentation(size=96, contrast=0.9, brightness=0.9, hue=1.0)
    plain = replace(ranges, contrast=0.0, brightness=0.0, saturation=0.0, hue=0.0)
    new, same = augmented(batch, ranges, seeded()), augmented(batch, plain, seeded())
    assert torch.equal(new.right.joints_2d, same.right.joints_2d)
    assert not torch.allclose(new.image, same.image)
    border = same.image.amax(1) == 0
    assert border.any()
    assert (new.image.amax(1)[border] == 0).all()


def test_what_is_black_beyond_a_recorded_picture_stays_black(batch):
    image = batch.image.clone()
    image[..., :20] = 0
    padded = replace(batch, image=image)
    still = Augmentation.none(size=96, fill=0.2)
    ranges = replace(still, contrast=0.9, hue=1.0, saturation=0.5)
    new, same = augmented(padded, ranges, seeded()), augmented(padded, still, seeded())
    black = same.image.amax(1) == 0
    assert black.any() and (new.image.amax(1)[black] == 0).all() and not torch.allclose(new.image, same.image)


def test_an_image_without_hands_is_shown_whole(batch):
    empty = torch.zeros(8, 4)
    bare = replace(batch, right=replace(batch.right, bbox=empty), left=replace(batch.left, bbox=empty))
    new = augmented(bare, Augmentation.none(size=64, fill=1.0), seeded())
    assert torch.allclose(new.K[:, 0, 2], torch.full((8,), 32.0), atol=1e-3)
    assert torch.allclose(new.K[:, 0, 0] / batch.K[:, 0, 0], torch.full((8,), 64 / 256), atol=1e-5)


@pytest.mark.parametrize("values", [{"scale": 1.0}, {"flip": 1.5}, {"contrast": -0.1}, {"size": 0}, {"fill": 0.0}])
def test_impossible_ranges_are_refused(values):
    with pytest.raises(InputError):
        Augmentation(**values)

"""Batches of recorded images are what the loader, the augmentation and a resumed training take, as those of our own."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.errors import InputError
from dataset.recorded_images.cutting import cut_out
from dataset.recorded_images.labels import squares
from dataset.recorded_images.reading import read_recording
from dataset.recorded_images.recorded_images import RecordedImages, room_for
from dataset.training.augmentation import Augmentation, augmented, crop, draw
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching
from dataset.training.portion import Portion
from hands.joints import JointState, Side
from tests.dataset.recorded_images.image_writers import (
    dot_of,
    interhand_with_images,
    picture,
    save_interhand_images,
    save_picture,
)

CAMERAS = ("400", "401", "402", "403")


@pytest.fixture(scope="module")
def folder(hands, tmp_path_factory):
    content = interhand_with_images(hands, 5, CAMERAS)
    return save_interhand_images(tmp_path_factory.mktemp("recorded"), hands, content)[0]


@pytest.fixture(scope="module")
def recording(folder, hands):
    return read_recording("interhand26m", folder, hands)


def ids(batches) -> list[list[str]]:
    return [batch.sample_ids for batch in batches]


def names(batches) -> list[str]:
    return sorted(name for batch in batches for name in batch.sample_ids)


@pytest.fixture(scope="module")
def every(recording) -> list[str]:
    return sorted(name.decode() for name in recording.names)


def images(recording, size: int = 64, portion=None, **values) -> RecordedImages:
    return RecordedImages(recording, Batching(**({"batch_size": 6, "seed": 3} | values)), size, portion=portion)


def test_an_epoch_has_every_image_once_in_an_order_of_its_own(recording, every):
    source = images(recording)
    first = ids(source)
    source.start_at(1)
    second = ids(source)
    assert [len(batch) for batch in first] == [6, 6, 6, 2] and len(source) == 4 and source.images == 20
    assert names(source) == every
    assert first != second and ids(images(recording, seed=4)) != first and ids(images(recording)) == first


def test_shapes_and_types(recording):
    batch = next(iter(images(recording)))
    assert batch.image.shape == (6, 3, 64, 64) and batch.image.dtype == torch.uint8 and batch.masks == {}
    assert batch.image.is_contiguous(memory_format=torch.channels_last)
    assert batch.right.joint_state.dtype == torch.int8 and batch.K.dtype == batch.left.bbox.dtype == torch.float32
    assert torch.isnan(batch.right.visible_fraction).all()


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")
def test_the_loader_gives_the_same_for_any_number_of_workers(recording, workers):
    expected = []
    for epoch in range(2):
        source = images(recording)
        source.start_at(epoch)
        expected.append(list(source))
    loader = BatchLoader(images(recording), workers)
    for epoch in expected:
        for one, other in zip(loader, epoch, strict=True):
            assert one.sample_ids == other.sample_ids and torch.equal(one.image, other.image)
            tensors = [(b.K, b.R, b.t, *b.right.tensors(), *b.left.tensors()) for b in (one, other)]
            assert all(torch.equal(a.nan_to_num(7), b.nan_to_num(7)) for a, b in zip(*tensors, strict=True))


@pytest.mark.parametrize("seen", [0, 1, 3])
def test_a_restored_loader_goes_on_with_the_next_batch(recording, seen):
    loader = BatchLoader(images(recording))
    whole = ids(loader)
    saved = BatchLoader(images(recording))
    for _ in zip(range(seen), saved, strict=False):
        pass
    restored = BatchLoader(images(recording), 1)
    restored.load_state_dict(json.loads(json.dumps(saved.state_dict())))
    assert ids(restored) == whole[seen:]


def test_a_state_of_other_images_is_refused(recording):
    state = BatchLoader(images(recording)).state_dict()
    for other in (images(recording, portion=Portion(0.5)), images(recording, 65), images(recording[np.arange(19)])):
        with pytest.raises(InputError, match="the images are others"):
            BatchLoader(other).load_state_dict(state)


def test_ranks_share_an_epoch(recording, every):
    ranks = [images(recording, batch_size=3, rank=rank, world_size=3) for rank in range(3)]
    assert len({len(rank) for rank in ranks}) == 1
    assert sorted(name for rank in ranks for name in names(rank)) == every


def test_skipped_batches_are_not_decoded(recording, monkeypatch):
    from dataset.recorded_images import recorded_images

    decoded, cut = [], recorded_images.cut_out
    monkeypatch.setattr(recorded_images, "cut_out", lambda *args: decoded.append(1) or cut(*args))
    source = images(recording)
    source.start_at(0, 3)
    assert [len(batch) for batch in source] == [2] and len(decoded) == 2


def test_parts_are_nested_and_follow_the_names(recording):
    part = lambda found, *args, **values: set(images(found, portion=Portion(*args, **values)).recording.names.tolist())  # noqa: E731
    kept = [part(recording, share, seed=5) for share in (0.1, 0.35, 0.8, 1.0)]
    assert [len(names) for names in kept] == [2, 7, 16, 20]
    assert kept[0] < kept[1] < kept[2] < kept[3]
    assert [part(recording, most=most, seed=5) for most in (2, 7, 99)] == [kept[0], kept[1], kept[3]]
    assert part(recording[np.arange(20)[::-1]], 0.35, seed=5) == kept[1] != part(recording, 0.35, seed=6)


def test_a_part_s_epoch_has_just_its_images(recording):
    source = images(recording, portion=Portion(0.35, seed=5), batch_size=3)
    assert names(source) == sorted(name.decode() for name in source.recording.names)


def test_labels_are_where_the_picture_shows_them(recording):
    batch = next(iter(images(recording, 256, batch_size=20)))
    for row in range(20):
        dot = dot_of(batch.image[row].permute(1, 2, 0).numpy())
        assert np.abs(dot - batch.right.joints_2d[row, 0].numpy()).max() < 0.1
    for side in Side:
        hand = batch.hand(side)
        seen = hand.joints_3d @ batch.K.mT
        assert (seen[..., :2] / seen[..., 2:] - hand.joints_2d).abs().max() < 1e-3


def test_joints_outside_the_picture_have_that_state(recording, hands):
    """Of the whole picture, not of the square, which may reach beyond it."""
    shifted = recording.K.copy()
    shifted[:, 0, 2] -= 150
    moved = type(recording)(**(vars(recording) | {"K": shifted}))
    batch = next(iter(images(moved, batch_size=20, shuffle=False)))
    pixels = batch.right.joints_2d.double()
    back = torch.linalg.inv(batch.K.double()) @ torch.cat([pixels.mT, torch.ones(20, 1, 21).double()], dim=1)
    whole = (torch.from_numpy(shifted[recording.camera]) @ back)[:, :2].mT
    outside = (whole[..., 0] < -0.01) | (whole[..., 1] < 0)
    assert 20 < int(outside.sum()) < 400
    assert torch.equal(batch.right.joint_state == JointState.OUTSIDE_IMAGE, outside)


RANGES = Augmentation(size=96, hue=0.0, brightness=0.0, contrast=0.0, saturation=0.0)


@pytest.mark.parametrize(("angle", "scale"), [(np.pi / 4, 0.9), (-np.pi / 4, 0.9), (np.pi / 2, 1.1), (0.0, 0.9)])
def test_no_crop_of_training_leaves_the_square(recording, angle, scale):
    source = images(recording, batch_size=20, shuffle=False)
    batch = next(iter(source))
    drawn = draw(RANGES, 20, torch.Generator().manual_seed(1))
    full = lambda value: torch.full((20,), float(value))  # noqa: E731
    drawn = type(drawn)(full(angle), full(scale), torch.zeros(20, 2), drawn.mirrored, drawn.colours)
    matrix = crop(batch, RANGES, drawn)
    corners = torch.tensor([[0.0, 0], [96, 0], [0, 96], [96, 96]]).expand(20, 4, 2)
    inverse = torch.linalg.inv(torch.cat([matrix, torch.tensor([[[0.0, 0, 1]]]).expand(20, 1, 3)], dim=1))
    back = torch.cat([corners, torch.ones(20, 4, 1)], dim=-1) @ inverse.mT
    assert back[..., :2].min() >= -0.01 and back[..., :2].max() <= 64.01
    if abs(angle) == np.pi / 4 and scale == 0.9:
        reach = torch.maximum(-back[..., :2].amin((1, 2)), back[..., :2].amax((1, 2)) - 64)
        assert (reach > -2.5).all(), "and no larger square than needed"


def test_the_room_for_less_augmentation_is_smaller():
    assert room_for(Augmentation.none()) == pytest.approx(1 / 0.8)
    assert room_for(Augmentation()) == pytest.approx(2**0.5 / 0.72)
    assert room_for(Augmentation(rotation=0.1, scale=0, shift=0.05)) == pytest.approx(
        (np.cos(0.1) + np.sin(0.1) + 0.1) / 0.8
    )


def test_augmented_batches_agree_with_their_labels(recording, hands):
    batch = next(iter(images(recording, 256, batch_size=20)))
    new = augmented(batch, Augmentation(size=128), torch.Generator().manual_seed(2), hands)
    for side in Side:
        hand = new.hand(side)
        posed = hands[side].joints_21(hand.pose.pose(hands[side]))
        unmirrored = torch.det(new.R) > 0
        assert unmirrored.any()
        assert (posed - hand.joints_3d)[unmirrored].norm(dim=-1).max() < 1e-5
        seen = hand.joints_3d @ new.K.mT
        assert (seen[..., :2] / seen[..., 2:] - hand.joints_2d).abs().max() < 1e-2


def test_a_square_is_about_both_hands_or_the_whole_picture():
    boxes = np.array(
        [[[10, 20, 30, 10], [50, 25, 10, 30]], [[0, 0, 0, 0], [5, 5, 10, 20]], [[0, 0, 0, 0]] * 2], np.float32
    )
    cut = squares(boxes, np.array([[200, 100]] * 3), 2.0)
    assert cut.side.tolist() == [102, 42, 402]
    np.testing.assert_array_equal(
        cut.corner, np.round([[35 - 51, 37.5 - 51], [10 - 21, 15 - 21], [100 - 201, 50 - 201]])
    )


@pytest.mark.parametrize("box", [(10, 20, 50, 60), (-15, -10, 45, 50), (70, 60, 130, 120)])
def test_a_cut_part_is_the_picture_s_and_black_beyond(tmp_path, box):
    values = np.random.default_rng(1).integers(1, 255, (80, 100, 3)).astype(np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(values).save(path)
    out = np.full((box[2] - box[0],) * 2 + (3,), 7, np.uint8)
    cut_out(path, (100, 80), box, out)
    padded = np.pad(values, ((100, 100), (100, 100), (0, 0)))
    np.testing.assert_array_equal(out, padded[box[1] + 100 : box[3] + 100, box[0] + 100 : box[2] + 100])


def test_a_part_that_shrinks_is_averaged(tmp_path):
    """Stripes of one pixel become even grey, and no pattern."""
    values = np.zeros((64, 64, 3), np.uint8)
    values[:, ::2] = 200
    path = tmp_path / "stripes.png"
    Image.fromarray(values).save(path)
    out = np.empty((16, 16, 3), np.uint8)
    cut_out(path, (64, 64), (0, 0, 64, 64), out)
    assert np.abs(out.astype(int) - 100).max() <= 8


def spoilt(recording, tmp_path, content: bytes | None):
    """The recording with one picture replaced, or removed."""
    import shutil

    shutil.copytree(recording.folder, tmp_path / "copy")
    path = tmp_path / "copy" / recording.pictures[4].decode()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    return type(recording)(**(vars(recording) | {"folder": tmp_path / "copy"})), path


@pytest.mark.parametrize("kind", ["missing", "cut", "other", "nothing", "small"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_refused_by_name(recording, tmp_path, kind, workers):
    whole = recording.picture(4).read_bytes()
    save_picture(tmp_path / "small.jpg", picture((31, 17)))
    content = {"cut": whole[: len(whole) // 2], "other": b"no picture at all", "nothing": b""}
    content["small"] = (tmp_path / "small.jpg").read_bytes()
    changed, path = spoilt(recording, tmp_path, content.get(kind))
    with pytest.raises(
        InputError, match=f"^{recording.name(4)}: its picture {path} cannot be used \\(.+\\); get it anew$"
    ) as told:
        list(BatchLoader(images(changed), workers))
    assert kind != "small" or "is 31×17 where its annotation says 334×512" in str(told.value)


def test_images_can_be_pickled(recording):
    source = images(recording)
    assert ids(pickle.loads(pickle.dumps(source))) == ids(source)


@pytest.mark.parametrize("values", [{"size": 0}, {"around": 0.0}, {"around": -1.0}])
def test_impossible_sizes_are_refused(recording, values):
    with pytest.raises(InputError, match="give a number of pixels and a factor above 0"):
        RecordedImages(recording, Batching(2), **values)


def test_too_few_images_for_the_ranks_are_refused(recording):
    with pytest.raises(InputError, match="1 images do not make equally many batches"):
        images(recording, portion=Portion(most=1), world_size=2)

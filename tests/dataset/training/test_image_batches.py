"""Batches hold what the rows hold, each row once, and only what is asked for is read."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.errors import InputError
from dataset.pictures import DEPTH_UNIT, jpeg_cell, photo, png_cell, values
from dataset.rows import camera_of, joints_3d
from dataset.training import assembly
from dataset.training.batch import MASKS, HandTargets
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from dataset.training.window import HAND, Window
from hands.joints import Side
from tests.dataset.training.small_groups import write_images

FIVE = Batching(batch_size=5, window=2, lanes=2, seed=4)


def ids(batches) -> list[list[str]]:
    return [batch.sample_ids for batch in batches]


def names(batches) -> list[str]:
    return [name for batch in batches for name in batch.sample_ids]


def stored(row: dict, side: Side, name: str) -> np.ndarray:
    return np.ravel(row[side][name]).astype(np.float32)


@pytest.fixture(scope="module")
def loaded(many_dir) -> list:
    return list(ImageBatches(many_dir, "train", FIVE, masks=MASKS))


def test_every_train_row_comes_once_and_no_other(loaded, train_ids):
    assert sorted(names(loaded)) == train_ids
    assert names(loaded) != train_ids


def test_labels_are_those_of_the_rows(loaded, by_id):
    for batch in loaded:
        for place, name in enumerate(batch.sample_ids):
            row = by_id[name]
            for column in ("K", "R", "t"):
                assert np.allclose(getattr(batch, column)[place].ravel(), np.ravel(row["camera"][column]), atol=1e-4)
            for side in Side:
                for column in HAND:
                    got = getattr(batch.hand(side), column)[place].numpy().ravel()
                    assert np.array_equal(got, stored(row, side, column)), column


def test_pictures_are_those_of_the_rows(loaded, by_id):
    """The two JPEG decoders may round a value differently."""
    for batch in loaded:
        for place, name in enumerate(batch.sample_ids):
            shown = batch.image[place].permute(1, 2, 0).numpy().astype(int)
            assert np.abs(shown - np.asarray(photo(by_id[name]["image"]))).max() <= 2
            for mask in MASKS:
                expected = values(by_id[name][mask])
                expected = expected * np.float32(DEPTH_UNIT) if mask == "depth" else expected
                assert np.allclose(batch.masks[mask][place], expected, atol=1e-7)


def test_shapes_and_types(loaded):
    batch = loaded[0]
    assert batch.image.shape == (5, 3, 192, 256)
    assert batch.image.dtype == torch.uint8
    assert batch.image.is_contiguous(memory_format=torch.channels_last)
    assert batch.right.joints_2d.shape == (5, 21, 2)
    assert batch.left.joint_state.dtype == torch.int8
    assert (batch.masks["mask_parts"].dtype, batch.masks["depth"].dtype) == (torch.uint8, torch.float32)


def test_the_hand_layer_gives_the_joints_of_a_batch(loaded, hands):
    for side in Side:
        target = loaded[0].hand(side)
        found = hands[side].joints_21(target.pose.pose(hands[side]))
        assert (found - target.joints_3d).norm(dim=-1).max() < 1e-5


def test_the_same_seed_gives_the_same_batches_and_epochs_differ(many_dir, loaded):
    images = ImageBatches(many_dir, "train", FIVE)
    assert ids(images) == ids(loaded)
    images.start_at(1)
    assert ids(images) != ids(loaded)
    assert sorted(names(images)) == sorted(names(loaded))


def test_validation_in_stored_order(many_dir, by_id):
    images = ImageBatches(many_dir, "validation", Batching(batch_size=3, shuffle=False, lanes=1))
    assert names(images) == [name for name, row in by_id.items() if row["split"] == "validation"]


def test_several_splits_and_all(many_dir, by_id):
    for splits in (["train", "validation"], ()):
        assert ImageBatches(many_dir, splits, FIVE).images == len(by_id)


def test_ranks_share_an_epoch(many_dir, train_ids):
    ranks = [ImageBatches(many_dir, "train", Batching(4, seed=2, rank=rank, world_size=3)) for rank in range(3)]
    assert len({len(rank) for rank in ranks}) == 1
    assert sorted(name for rank in ranks for batch in rank for name in batch.sample_ids) == train_ids


def test_starting_in_mid_epoch_decodes_none_of_what_was_skipped(many_dir, loaded, monkeypatch):
    decoded, read = [], []
    decode, fill = assembly.decode_photo, Window.fill
    monkeypatch.setattr(assembly, "decode_photo", lambda *args: decoded.append(1) or decode(*args))
    monkeypatch.setattr(Window, "fill", lambda self, *args: read.append(1) or fill(self, *args))
    images = ImageBatches(many_dir, "train", FIVE)
    images.start_at(0, len(images) - 1)
    assert ids(images) == ids(loaded)[-1:]
    assert len(decoded) == len(loaded[-1])
    assert len(read) <= 2


def test_two_iterations_at_once_do_not_disturb_each_other(many_dir, loaded):
    images = ImageBatches(many_dir, "train", FIVE)
    list(images)
    for one, other, first in zip(images, images, loaded, strict=True):
        assert one.sample_ids == other.sample_ids == first.sample_ids
        assert torch.equal(one.image, first.image)
        assert torch.equal(other.image, first.image)


def test_memory_of_windows_is_used_again(many_dir):
    images = ImageBatches(many_dir, "train", FIVE)
    list(images)
    kept = images._idle[0]._windows
    list(images)
    assert len(images._idle) == 1
    assert images._idle[0]._windows is kept


def test_a_copy_for_another_process_carries_no_pictures(many_dir):
    images = ImageBatches(many_dir, "train", FIVE)
    list(images)
    assert images.__getstate__()["_idle"] == []


@pytest.mark.parametrize("size", [(128, 96), (200, 96), (512, 384)])
def test_resized_pictures_and_labels_agree(many_dir, by_id, size):
    batch = next(iter(ImageBatches(many_dir, "train", FIVE, masks=["mask_hands", "depth"], size=size)))
    assert batch.image.shape[2:] == batch.masks["depth"].shape[1:] == size[::-1]
    for place, name in enumerate(batch.sample_ids):
        scale = np.array(size) / (256, 192)
        for side in Side:
            target, row = batch.hand(side), by_id[name]
            assert np.allclose(target.joints_2d[place], camera_of(row).project(joints_3d(row[side])) * scale, atol=1e-3)
            seen = target.joints_3d[place] @ batch.K[place].T
            assert torch.allclose(seen[:, :2] / seen[:, 2:], target.joints_2d[place], atol=1e-3)
            assert np.allclose(target.bbox[place], np.tile(scale, 2) * row[side]["bbox"], atol=1e-3)
        middle = photo(by_id[name]["image"]).resize(size, Image.Resampling.BILINEAR)
        assert np.abs(batch.image[place].permute(1, 2, 0).numpy().astype(int) - np.asarray(middle)).max() <= 3


@pytest.fixture(scope="module")
def two_sizes(many_rows, tmp_path_factory):
    small = [dict(row) for row in many_rows["b"]]
    for row in small:
        picture = photo(row["image"]).resize((128, 96))
        row |= {"width": 128, "height": 96, "image": jpeg_cell(np.asarray(picture), "small"), "split": "train"}
    return write_images(tmp_path_factory.mktemp("sizes") / "two", {"a": many_rows["a"], "b": small})


def test_images_of_two_sizes_are_refused_until_a_size_is_given(two_sizes):
    with pytest.raises(InputError, match="several sizes \\(128×96, 256×192\\); give the size"):
        ImageBatches(two_sizes, "train", FIVE)
    batches = list(ImageBatches(two_sizes, "train", FIVE, size=(256, 192)))
    assert sum(len(batch) for batch in batches) == 15
    for batch in batches:
        for target in (batch.right, batch.left):
            seen = target.joints_3d @ batch.K.mT
            inside = (target.joints_2d >= 0).all(-1) & (target.joints_2d < target.joints_2d.new_tensor([256, 192])).all(
                -1
            )
            assert inside.float().mean() > 0.5
            assert torch.isfinite(seen).all()


def with_image(many_rows, tmp_path, cell: dict):
    rows = [dict(row) for row in many_rows["b"]]
    rows[2]["image"] = cell
    return write_images(tmp_path / "changed", {"b": rows})


def test_png_and_jpeg_may_be_mixed(many_rows, tmp_path):
    picture = np.asarray(photo(many_rows["b"][2]["image"]))
    folder = with_image(many_rows, tmp_path, png_cell(picture, "lossless"))
    batch = next(iter(ImageBatches(folder, "validation", Batching(4, shuffle=False))))
    assert np.array_equal(batch.image[2].permute(1, 2, 0), picture)


def cut(cell: dict) -> bytes:
    return cell["bytes"][: len(cell["bytes"]) // 2]


def small_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (31, 17)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["cut", "other", "nothing", "small jpeg", "small png"])
def test_a_damaged_picture_is_refused_by_name(many_rows, tmp_path, kind):
    tiny = jpeg_cell(np.zeros((17, 31, 3), np.uint8), "tiny")["bytes"]
    data = {"cut": cut(many_rows["b"][2]["image"]), "other": b"no picture at all", "nothing": b"", "small jpeg": tiny}
    folder = with_image(many_rows, tmp_path, {"bytes": data.get(kind, small_png()), "path": "x"})
    name = many_rows["b"][2]["sample_id"]
    with pytest.raises(
        InputError, match=f"^{name}: its image cannot be used \\(.+\\); see `render-ih verify`$"
    ) as caught:
        list(ImageBatches(folder, "validation", Batching(4)))
    assert "31×17 where the row says 256×192" in str(caught.value) or "small" not in kind


def test_a_mask_with_colours_is_refused(many_rows, tmp_path):
    rows = [dict(row) for row in many_rows["b"]]
    rows[0]["mask_hands"] = png_cell(np.zeros((192, 256, 3), np.uint8), "colours")
    images = ImageBatches(
        write_images(tmp_path / "colours", {"b": rows}), "validation", Batching(4), masks=["mask_hands"]
    )
    with pytest.raises(InputError, match="its mask_hands cannot be used \\(has 3 channels where one is expected\\)"):
        list(images)


def test_an_unknown_mask_is_refused(many_dir):
    with pytest.raises(InputError, match="no label picture is called mask_nails; there are mask_hands, "):
        ImageBatches(many_dir, "train", FIVE, masks=["mask_nails"])


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a dataset"):
        ImageBatches(tmp_path)


def test_a_batch_moves_whole(loaded):
    moved = loaded[0].to("meta")
    tensors = [
        moved.image,
        moved.K,
        moved.R,
        moved.t,
        *moved.right.tensors(),
        *moved.left.tensors(),
        *moved.masks.values(),
    ]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert isinstance(moved.right, HandTargets)


def test_images_can_be_pickled(many_dir, loaded):
    images = pickle.loads(pickle.dumps(ImageBatches(many_dir, "train", FIVE)))
    assert ids(images) == ids(loaded)

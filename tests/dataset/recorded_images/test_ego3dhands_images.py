"""Ego3DHands' images: joints alone, rows before columns, centimetres, and a lens that the joints themselves give."""

import numpy as np
import pytest
import torch

from dataset.errors import InputError
from dataset.recorded_images.reading import read_recording
from dataset.recorded_images.recorded_images import RecordedImages
from dataset.training.augmentation import Augmentation, augmented
from dataset.training.batching import Batching
from hands.joints import Side
from tests.dataset.recorded_images.image_writers import EGO_FOCAL, dot_of, save_ego3dhands


@pytest.fixture
def written(hands, tmp_path):
    return save_ego3dhands(tmp_path, hands)


def batch_of(recording):
    return next(iter(RecordedImages(recording, Batching(len(recording), shuffle=False))))


def edit(folder, name: str, change, row: int = 1) -> None:
    path = folder / f"{row:05d}" / f"{name}.npy"
    values = np.load(path)
    np.save(path, change(values))


def test_joints_are_in_metres_under_their_own_side(hands, written):
    folder, both = written
    recording = read_recording("ego3dhands", folder, hands)
    batch = batch_of(recording)
    assert batch.sample_ids == ["ego3dhands-train-00000", "ego3dhands-train-00001"]
    assert recording.told.left_out == {"one hand": 1}
    for row in range(2):
        left, right = both[row]
        np.testing.assert_allclose(batch.left.joints_3d[row], left, atol=1e-6)
        np.testing.assert_allclose(batch.right.joints_3d[row], right, atol=1e-6)
        dot = dot_of(batch.image[row].permute(1, 2, 0).numpy())
        assert np.abs(dot - batch.right.joints_2d[row, 0].numpy()).max() < 0.1


@pytest.mark.parametrize("size", [(960, 540), (480, 270)])
def test_the_lens_is_the_published_one_for_the_picture_s_size(hands, tmp_path, size):
    recording = read_recording("ego3dhands", save_ego3dhands(tmp_path, hands, size=size)[0], hands)
    focal = EGO_FOCAL * size[0] / 960
    np.testing.assert_allclose(recording.K[0], [[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]], rtol=1e-9)


def test_annotated_places_are_the_projection(hands, written):
    folder, _ = written
    recording = read_recording("ego3dhands", folder, hands)
    batch = batch_of(recording)
    for row in range(2):
        pixels = np.load(folder / f"{row:05d}" / "location_2d.npy")[:, 1:, ::-1] * (960, 540)
        change = batch.K[row].double().numpy() @ np.linalg.inv(recording.K[recording.camera[row]])
        for hand, side in zip(pixels, (Side.LEFT, Side.RIGHT), strict=True):
            assert np.abs(hand * change[0, 0] + change[:2, 2] - batch.hand(side).joints_2d[row].numpy()).max() < 0.01


def test_parameters_are_unknown_and_everything_else_is_a_number(hands, written):
    batch = batch_of(read_recording("ego3dhands", written[0], hands))
    for side in Side:
        hand = batch.hand(side)
        for name in ("global_orient", "hand_pose", "betas", "transl"):
            assert torch.isnan(getattr(hand, name)).all()
        assert torch.isfinite(hand.joints_3d).all() and torch.isfinite(hand.joints_2d).all()
        low, high = hand.joints_2d.amin(1), hand.joints_2d.amax(1)
        assert (hand.bbox[:, :2] < low).all() and (hand.bbox[:, :2] + hand.bbox[:, 2:] > high).all()


def test_augmentation_takes_unknown_parameters(hands, written):
    """Joints stay the projection of each other, boxes stay about them, also where layers would make boxes tight."""
    batch = batch_of(read_recording("ego3dhands", written[0], hands))
    new = augmented(batch, Augmentation(size=128), torch.Generator().manual_seed(3), hands)
    for side in Side:
        hand = new.hand(side)
        seen = hand.joints_3d @ new.K.mT
        assert (seen[..., :2] / seen[..., 2:] - hand.joints_2d).abs().max() < 1e-3
        assert torch.isfinite(hand.bbox).all() and (hand.bbox[:, 2:] > 5).all()
        assert torch.isnan(hand.betas).all()


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("location_2d", lambda v: v[..., ::-1], "is no projection of location_3d_global"),
        ("location_3d_global", lambda v: v * [1, 1, -1], "behind the camera"),
        ("location_3d_global", lambda v: v * 10, "wrong unit"),
        ("location_3d_global", lambda v: v[:, :21], "wrong length"),
        ("location_3d_global", lambda v: np.where(v == v.max(), np.nan, v), "not a finite number"),
    ],
)
def test_spoilt_joints_are_named(hands, written, name, change, reason):
    folder, _ = written
    edit(folder, name, change)
    recording = read_recording("ego3dhands", folder, hands)
    assert len(recording) == 1
    assert [(f.reason, f.key, f.file) for f in recording.told.faults] == [(reason, name, "00001")]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("location_3d_global.npy", None, "missing file"),
        ("location_3d_global.npy", b"no array", "unreadable file"),
        ("color_new.png", None, "missing file"),
        ("color_new.png", b"no picture", "unreadable file"),
    ],
)
def test_missing_and_damaged_files_are_named(hands, written, file, content, reason):
    folder, _ = written
    path = folder / "00001" / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    recording = read_recording("ego3dhands", folder, hands)
    assert [fault.reason for fault in recording.told.faults] == [reason] and len(recording) == 1


def test_instances_may_lie_a_folder_deeper(hands, written, tmp_path):
    folder, _ = written
    (tmp_path / "part").mkdir()
    for row in range(3):
        (folder / f"{row:05d}").rename(tmp_path / "part" / f"{row:05d}")
    recording = read_recording("ego3dhands", tmp_path, hands, "test")
    assert recording.names.tolist()[0] == b"ego3dhands-test-part-00000" and set(recording.splits.tolist()) == {b"test"}


def test_other_folders_and_subsets_are_one_sentence(hands, tmp_path):
    with pytest.raises(InputError, match="location_2d"):
        read_recording("ego3dhands", tmp_path, hands)
    with pytest.raises(InputError, match="the subset is 'all'; Ego3DHands has train, test"):
        read_recording("ego3dhands", tmp_path, hands, "all")

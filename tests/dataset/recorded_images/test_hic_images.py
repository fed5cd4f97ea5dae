"""HIC's images: where pictures lie, half a pixel between conventions, and RenderIH's part of them."""

import json

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.recorded_images.reading import read_recording
from dataset.recorded_images.recorded_images import RecordedImages
from dataset.training.batching import Batching
from hands.joints import Side
from tests.dataset.readers.writers import hic_folder
from tests.dataset.recorded_images.image_writers import (
    dot_of,
    hic_index,
    joints,
    picture,
    save_hic_images,
    save_picture,
)


@pytest.fixture
def written(hands, tmp_path):
    return save_hic_images(tmp_path, hands)


def batch_of(recording):
    return next(iter(RecordedImages(recording, Batching(len(recording), shuffle=False))))


def test_labels_are_the_fits_and_the_picture_agrees(hands, written):
    folder, seen = written
    recording = read_recording("hic", folder, hands)
    batch = batch_of(recording)
    assert batch.sample_ids == ["hic-01-000", "hic-01-001", "hic-01-002"]
    assert set(recording.splits.tolist()) == {b"test"} and recording.told.sentence() == "nothing"
    for row in range(3):
        for side in Side:
            np.testing.assert_allclose(batch.hand(side).joints_3d[row], joints(seen, row, side, hands), atol=1e-5)
        dot = dot_of(batch.image[row].permute(1, 2, 0).numpy())
        assert np.abs(dot - batch.right.joints_2d[row, 0].numpy()).max() < 0.1


def test_the_published_camera_becomes_this_project_s(hands, written):
    """InterWild's 525 and (319.5, 239.5), whose pixel centres are whole numbers."""
    recording = read_recording("hic", written[0], hands)
    assert recording.K.tolist() == [[[525, 0, 320], [0, 525, 240], [0, 0, 1]]]
    assert recording.size.tolist() == [[640, 480]]


def test_hic_json_names_pictures(hands, written):
    folder, _ = written
    hic_index(folder, {0: "other/000.png", 1: "01/1/rgb/001.png"})
    save_picture(folder / "data" / "other" / "000.png", picture((640, 480)))
    recording = read_recording("hic", folder, hands)
    assert recording.pictures.tolist() == [b"data/other/000.png", b"01/1/rgb/001.png", b"01/1/rgb/002.png"]


def test_single_hands_are_left_out(hands, written):
    folder, _ = written
    (hic_folder(folder, Side.LEFT) / "001.pkl").unlink()
    recording = read_recording("hic", folder, hands)
    assert (len(recording), recording.told.left_out) == (2, {"not interacting": 1})


def test_renderih_s_frames_have_annotated_joints_and_are_of_the_first_sequences(hands, written):
    folder, _ = written
    with pytest.raises(InputError, match="no image of hic can be used \\(3 not in RenderIH's test\\)"):
        read_recording("hic", folder, hands, "renderih")
    place = folder / "data" / "01" / "1" / "joints_2D_GT"
    place.mkdir(parents=True)
    (place / "002.txt").write_text("0\t100\t200\n")
    recording = read_recording("hic", folder, hands, "renderih")
    assert recording.names.tolist() == [b"hic-01-002"]


def test_missing_pictures_and_spoilt_entries_are_faults(hands, written):
    folder, _ = written
    (folder / "01" / "1" / "rgb" / "002.png").unlink()
    hic_index(folder, {0: "01/1/rgb/000.png", 1: "../out.png"})
    recording = read_recording("hic", folder, hands)
    assert [(f.reason, f.place) for f in recording.told.faults] == [
        ("leads out of the folder", "HIC.json: images.file_name"),
        ("missing file", "01/1/rgb/002.png"),
    ]
    assert recording.pictures.tolist() == [b"01/1/rgb/000.png", b"01/1/rgb/001.png"]


def test_a_cut_off_index_is_told_once(hands, written):
    folder, _ = written
    hic_index(folder, {0: "01/1/rgb/000.png"})
    path = folder / "HIC.json"
    path.write_text(json.dumps({"images": []})[:-3])
    assert read_recording("hic", folder, hands).told.counts == {"unreadable file": 1}


def test_an_unknown_subset_is_refused(hands, written):
    with pytest.raises(InputError, match="the subset is 'train'; HIC has all, renderih"):
        read_recording("hic", written[0], hands, "train")

"""Gathering, boxes and saving: what readers find becomes arrays, and nothing disappears unseen."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from dataset.errors import InputError
from dataset.readers.frame import Fault, PlacedHand
from dataset.recorded_images import interhand26m, kinds
from dataset.recorded_images.reading import MOST_FAULTS, gathered, read_recording
from dataset.recorded_images.recorded_image import LeftOut, RecordedImage, pinhole
from dataset.recorded_images.recording import Recording, arrays_of
from hands.camera import Camera, look_at
from hands.joints import Side
from tests.dataset.readers.writers import example_poses, in_recording
from tests.dataset.recorded_images.image_writers import save_interhand_images


def placed(poses, row: int) -> dict[Side, PlacedHand]:
    values = {side: poses.side(side) for side in Side}
    take = lambda pose, name: getattr(pose, name)[row].double().numpy()  # noqa: E731
    names = ("hand_pose", "betas", "global_orient", "transl")
    return {side: PlacedHand(**{name: take(pose, name) for name in names}) for side, pose in values.items()}


@pytest.fixture(scope="module")
def poses(hands):
    return in_recording(example_poses(hands, 2), hands)


CAMERA = Camera(pinhole(500.0, 500.0, 320.0, 240.0), np.eye(3), np.zeros(3), 640, 480)


def image(poses, row: int = 0, camera: Camera = CAMERA, name: str = "a", **values) -> RecordedImage:
    return RecordedImage(name, f"{name}.jpg", camera, f"moment {row}", placed(poses, row), "train", **values)


def gather(hands, *found, folder="x"):
    from pathlib import Path

    return gathered("test", Path(folder), found, hands)


def test_hands_and_cameras_are_kept_once(hands, poses):
    same = Camera(CAMERA.K.copy(), np.eye(3), np.zeros(3), 640, 480)
    other = replace(CAMERA, t=np.array([0.0, 0.0, 0.1]))
    found = [
        image(poses, 0, name="a"),
        image(poses, 0, same, "b"),
        image(poses, 1, other, "c"),
        image(poses, 0, other, "d"),
    ]
    recording = gather(hands, *found)
    assert recording.moment.tolist() == [0, 0, 1, 0] and recording.camera.tolist() == [0, 0, 1, 1]
    assert [recording.name(row) for row in range(4)] == ["a", "b", "c", "d"]
    assert str(recording.picture(3)) == "x/d.jpg"


def test_boxes_are_the_projected_surface_inside_the_picture(hands, poses):
    cameras = [
        CAMERA,
        replace(CAMERA, K=pinhole(900.0, 700.0, 30.0, 200.0)),
        replace(CAMERA, t=np.array([0.02, 0.1, 0.3])),
    ]
    recording = gather(hands, *(image(poses, n % 2, c, str(n)) for n, c in enumerate(cameras)))
    for row, camera in enumerate(cameras):
        for number, side in enumerate(Side):
            vertices = poses.side(side)[[row % 2]].to(torch.float32).pose(hands[side]).vertices[0].double().numpy()
            pixels = camera.project(camera.to_camera(vertices))
            low, high = (edge.clip(0, (640, 480)) for edge in (pixels.min(0), pixels.max(0)))
            expected = [*low, *(high - low)] if (high > low).all() else [0] * 4
            np.testing.assert_allclose(recording.boxes[row, number], expected, atol=2e-3)


def test_images_without_a_hand_or_with_one_at_the_camera_are_left_out(hands, poses):
    away = replace(CAMERA, K=pinhole(500.0, 500.0, 5000.0, 240.0))
    close = replace(CAMERA, t=np.array([-0.3, 0.2, -1.1]))
    recording = gather(hands, image(poses), image(poses, 0, away, "b"), image(poses, 0, close, "c"))
    assert recording.names.tolist() == [b"a"]
    assert recording.told.left_out == {"no hand in the picture": 1, "a hand too near to the camera": 1}


def test_joints_alone_are_taken_and_their_boxes_are_larger(hands, poses):
    with_layer = gather(hands, image(poses))
    joints = dict(zip(Side, with_layer.joints[0].astype(np.float64), strict=True))
    recording = gather(hands, replace(image(poses), hands=joints), image(poses, 1, name="b"))
    np.testing.assert_array_equal(recording.joints[0], with_layer.joints[0])
    assert np.isnan(recording.parameters[0]).all() and np.isfinite(recording.parameters[1]).all()
    pixels = CAMERA.project(recording.joints[0].astype(np.float64))
    low, high = pixels.min(1), pixels.max(1)
    margin = 0.1 * (high - low).max(1, keepdims=True)
    expected = np.concatenate([low - margin, high - low + 2 * margin], axis=1)
    np.testing.assert_allclose(recording.boxes[0], expected, atol=1e-3)


def test_everything_is_counted(hands, poses):
    faults = [Fault(f"f{n}", "file", "key", "wrong unit", 3.0, 1.0) for n in range(MOST_FAULTS + 5)]
    found = [*faults, image(poses), image(poses, 1), LeftOut("single", 7), LeftOut("single"), LeftOut("dark")]
    told = gather(hands, *found).told
    assert told.counts == {"wrong unit": MOST_FAULTS + 5, "duplicate frame": 1}
    assert len(told.faults) == MOST_FAULTS and told.faults[0].name == "f0"
    assert told.left_out == {"single": 8, "dark": 1}
    assert told.sentence() == "8 single, 1 dark, 1,005 fault(s): wrong unit, 1 fault(s): duplicate frame"


def test_no_image_at_all_is_one_sentence(hands):
    with pytest.raises(InputError, match="no image of test can be used \\(3 single\\); see docs"):
        gather(hands, LeftOut("single", 3))


def test_an_unknown_kind_is_refused(hands, tmp_path):
    with pytest.raises(
        InputError, match="images of 'coco' cannot be read; there are interhand26m, hic, h2o3d, ego3dhands"
    ):
        read_recording("coco", tmp_path, hands)


def test_every_kind_has_what_a_kind_needs():
    for module in kinds.KINDS.values():
        assert module.SUBSETS and callable(module.files) and callable(module.read)


def test_the_checksum_tells_labels_apart_and_not_places(hands, poses):
    one = gather(hands, image(poses), image(poses, 1, name="b"))
    same, moved = (
        gather(hands, image(poses), image(poses, 1, name="b")),
        gather(hands, image(poses), image(poses, 1, name="b"), folder="y"),
    )
    other = gather(hands, image(poses), image(poses, 1, replace(CAMERA, t=np.array([0, 0, 1e-3])), "b"))
    sums = [recording.checksum() for recording in (one, same, moved, other, one[np.array([0])], one[np.array([1, 0])])]
    assert len(set(sums)) == 4 and sums[0] == sums[1] == sums[2]


@pytest.fixture
def reads(monkeypatch) -> list[int]:
    """Grows with each time the data set itself is read."""
    calls, read = [], interhand26m.read
    monkeypatch.setattr(interhand26m, "read", lambda *args: calls.append(1) or read(*args))
    return calls


def test_a_saved_recording_is_taken_as_it_is(hands, tmp_path, reads):
    folder, content = save_interhand_images(tmp_path / "data", hands)
    (folder / "images" / "train" / content["data"]["images"][0]["file_name"]).unlink()
    first, second = (read_recording("interhand26m", folder, hands, saved=tmp_path / "kept.npz") for _ in range(2))
    assert len(reads) == 1
    for name in arrays_of(Recording):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.told == second.told and second.told.counts == {"missing file": 1}
    assert first.checksum() == second.checksum()


@pytest.mark.parametrize("change", ["annotations", "hands"])
def test_a_saved_recording_of_other_files_or_hands_is_made_anew(hands, tmp_path, reads, change):
    folder, _ = save_interhand_images(tmp_path / "data", hands)
    saved = tmp_path / "kept.npz"
    read_recording("interhand26m", folder, hands, saved=saved)
    if change == "annotations":
        path = folder / "annotations" / "train" / "InterHand2.6M_train_data.json"
        path.write_text(path.read_text() + " ")
    else:
        hands = {
            side: hands[side].__class__(replace(hands[side].arrays, v_template=1.01 * hands[side].arrays.v_template))
            for side in Side
        }
    read_recording("interhand26m", folder, hands, saved=saved)
    assert len(reads) == 2
    read_recording("interhand26m", folder, hands, saved=saved)
    assert len(reads) == 2


def test_a_damaged_saved_recording_is_one_sentence(hands, tmp_path):
    folder, _ = save_interhand_images(tmp_path / "data", hands)
    saved = tmp_path / "kept.npz"
    read_recording("interhand26m", folder, hands, saved=saved)
    saved.write_bytes(saved.read_bytes()[:500])
    with pytest.raises(InputError, match=r"kept\.npz: is no saved recording \(.+\); remove it"):
        read_recording("interhand26m", folder, hands, saved=saved)


def test_every_array_of_images_follows_a_choice(hands, poses):
    """A new column that is not cut with the others would be of other images."""
    recording = gather(hands, *(image(poses, n % 2, name=str(n)) for n in range(5)))
    some = recording[np.array([4, 1])]
    for column in fields(Recording):
        values = getattr(recording, column.name)
        if isinstance(values, np.ndarray) and len(values) == 5:
            np.testing.assert_array_equal(getattr(some, column.name), values[[4, 1]])


def test_a_camera_may_look_from_anywhere(hands, poses):
    """`look_at` the hands from the side: they are in the picture's middle."""
    middle = np.concatenate([poses.right.transl, poses.left.transl]).mean(0)
    camera = look_at(middle + np.array([0.8, 0.1, 0.1]), middle, np.array([0.0, -1.0, 0.0]), 0.3, 0.6, 640, 480)
    recording = gather(hands, image(poses, 0, camera))
    centre = recording.boxes[0, :, :2] + recording.boxes[0, :, 2:] / 2
    assert np.abs(centre - (320, 240)).max() < 160

"""InterHand2.6M's images: what our own export writes is read back, and what the authors leave out is left out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.errors import InputError
from dataset.exports.interhand26m import InterHand26M
from dataset.exports.job import export
from dataset.pictures import photo
from dataset.recorded_images.reading import read_recording
from dataset.recorded_images.recorded_images import RecordedImages
from dataset.rows import camera_of, joints_2d, joints_3d
from dataset.shards import iterate_rows
from dataset.training.batching import Batching
from hands.joints import Side
from hands.pose import HandPose
from tests.dataset.exports.several_views import awkward_hands, write_views
from tests.dataset.recorded_images.image_writers import (
    dot_of,
    interhand_camera,
    interhand_with_images,
    save_interhand_images,
    save_picture,
)

SIZE = 300


@pytest.fixture(scope="module")
def mano_like():
    return awkward_hands()


@pytest.fixture(scope="module")
def views(mano_like, tmp_path_factory):
    return write_views(tmp_path_factory.mktemp("views") / "data", mano_like)


@pytest.fixture(scope="module")
def exported(views, mano_like, tmp_path_factory):
    return export(views, InterHand26M(views, mano_like), "interhand", tmp_path_factory.mktemp("interhand") / "out")


@pytest.fixture(scope="module")
def rows(views, exported) -> dict[str, dict]:
    """Our rows of the train split by the name that the reader gives their images."""
    content = json.loads((exported / "annotations" / "train" / "InterHand2.6M_train_data.json").read_text())
    files = {image["sample_id"]: f"interhand26m-train-{image['file_name']}" for image in content["images"]}
    every = iterate_rows(views.paths("images"))
    return {files[row["sample_id"]]: row for row in every if row["sample_id"] in files}


@pytest.fixture(scope="module")
def batch(exported, mano_like):
    recording = read_recording("interhand26m", exported, mano_like)
    assert not recording.told.counts
    return next(iter(RecordedImages(recording, Batching(len(recording), shuffle=False), SIZE)))


def cut(batch, place: int, row: dict) -> np.ndarray:
    """How pixels of the whole picture become those of the batch: scale and shift, told by K alone."""
    return batch.K[place].double().numpy() @ np.linalg.inv(camera_of(row).K)


def test_every_train_image_of_an_export_comes_back(batch, rows):
    assert sorted(batch.sample_ids) == sorted(rows)
    assert batch.image.shape == (9, 3, SIZE, SIZE)


def test_cameras_are_ours_but_for_the_cut(batch, rows):
    for place, name in enumerate(batch.sample_ids):
        camera, change = camera_of(rows[name]), cut(batch, place, rows[name])
        np.testing.assert_allclose(batch.R[place], camera.R, atol=1e-6)
        np.testing.assert_allclose(batch.t[place], camera.t, atol=1e-6)
        np.testing.assert_allclose(
            change, [[change[0, 0], 0, change[0, 2]], [0, change[0, 0], change[1, 2]], [0, 0, 1]], atol=1e-5
        )


def test_joints_are_ours(batch, rows):
    for place, name in enumerate(batch.sample_ids):
        change = cut(batch, place, rows[name])
        for side in Side:
            ours, target = rows[name][side], batch.hand(side)
            np.testing.assert_allclose(target.joints_3d[place], joints_3d(ours), atol=1e-6)
            pixels = joints_2d(ours) * change[0, 0] + change[:2, 2]
            assert np.abs(target.joints_2d[place].numpy() - pixels).max() < 0.01
            outside = np.asarray(ours["joint_state"]) == 3
            np.testing.assert_array_equal(target.joint_state[place] == 3, outside)


def test_the_hand_layer_gives_the_joints_and_parameters_are_ours(batch, rows, mano_like):
    for side in Side:
        target = batch.hand(side)
        posed = mano_like[side].joints_21(target.pose.pose(mano_like[side]))
        assert (posed - target.joints_3d).norm(dim=-1).max() < 1e-6
        for place, name in enumerate(batch.sample_ids):
            for key in ("hand_pose", "betas"):
                np.testing.assert_allclose(getattr(target, key)[place], rows[name][side][key], atol=1e-6)
            np.testing.assert_allclose(target.transl[place], rows[name][side]["transl"], atol=2e-6)


def test_boxes_are_around_the_projected_surface(batch, rows, mano_like):
    for side in Side:
        target = batch.hand(side)
        seen = target.pose.pose(mano_like[side]).vertices @ batch.K.mT
        pixels = seen[..., :2] / seen[..., 2:]
        for place, name in enumerate(batch.sample_ids):
            change = cut(batch, place, rows[name])
            border = torch.tensor(np.array([[0, 0], [256, 192]]) * change[0, 0] + change[:2, 2], dtype=torch.float32)
            low, high = (edge.clamp(border[0], border[1]) for edge in (pixels[place].amin(0), pixels[place].amax(0)))
            expected = torch.cat([low, high - low]) if (high > low).all() else torch.zeros(4)
            assert torch.allclose(target.bbox[place], expected, atol=0.01)


def test_pictures_are_the_squares_of_ours(batch, rows):
    for place, name in enumerate(batch.sample_ids):
        change = cut(batch, place, rows[name])
        left, top = np.round(-change[:2, 2] / change[0, 0]).astype(int)
        side = round(SIZE / change[0, 0])
        square = photo(rows[name]["image"]).crop((left, top, left + side, top + side))
        expected = np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BILINEAR)).astype(int)
        difference = np.abs(batch.image[place].permute(1, 2, 0).numpy() - expected)
        assert difference.mean() < 1.5 and (difference.max() <= 3 or rows[name]["image"]["path"].endswith("png"))


def test_annotated_joints_lie_where_the_labels_have_them(hands, tmp_path):
    """`joint_3d` is written by the data set's own way: millimetres, tips first."""
    folder, content = save_interhand_images(tmp_path, hands)
    batch = next(iter(RecordedImages(read_recording("interhand26m", folder, hands), Batching(6, shuffle=False))))
    for place, name in enumerate(batch.sample_ids):
        image = next(i for i in content["data"]["images"] if name.endswith(i["file_name"]))
        camera = interhand_camera(content, "13", image["camera"])
        world = np.array(content["joint_3d"]["13"][str(image["frame_idx"])]["world_coord"]).reshape(2, 21, 3) / 1000
        for hand, side in zip(world, Side, strict=True):
            pixels = camera.project(camera.to_camera(hand[[20, *range(3, -1, -1)]]))  # wrist, then the thumb to its tip
            change = batch.K[place].double().numpy() @ np.linalg.inv(camera.K)
            mine = batch.hand(side).joints_2d[place, :5].numpy()
            assert np.abs(pixels * change[0, 0] + change[:2, 2] - mine).max() < 0.01
        assert (
            np.abs(dot_of(batch.image[place].permute(1, 2, 0).numpy()) - batch.right.joints_2d[place, 0].numpy()).max()
            < 0.1
        )


def told(folder, hands) -> tuple[int, dict, dict]:
    recording = read_recording("interhand26m", folder, hands)
    return len(recording), dict(recording.told.left_out), dict(recording.told.counts)


def changed(hands, tmp_path, change):
    content = interhand_with_images(hands)
    change(content)
    return save_interhand_images(tmp_path, hands, content)[0]


def annotation(content: dict, image: int) -> dict:
    return next(a for a in content["data"]["annotations"] if a["image_id"] == content["data"]["images"][image]["id"])


def test_a_moment_and_a_camera_are_kept_once(hands, tmp_path):
    recording = read_recording("interhand26m", save_interhand_images(tmp_path, hands)[0], hands)
    assert (len(recording), len(recording.parameters), len(recording.K)) == (6, 3, 2)
    assert set(recording.splits.tolist()) == {b"train"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: annotation(c, 2).update(hand_type="right"), "not interacting"),
        (lambda c: annotation(c, 2).update(hand_type_valid=0), "hand type not sure"),
        (lambda c: c["data"]["annotations"].remove(annotation(c, 2)), "without an annotation"),
    ],
)
def test_images_that_are_not_wanted_are_counted(hands, tmp_path, change, reason):
    assert told(changed(hands, tmp_path, change), hands) == (5, {reason: 1}, {})


def test_frames_without_both_fits_are_left_out_with_all_their_images(hands, tmp_path):
    folder = changed(hands, tmp_path, lambda c: c["MANO_NeuralAnnot"]["13"]["101"].update(left=None))
    assert told(folder, hands) == (4, {"without fits of both hands": 2}, {"missing hand": 1})


@pytest.mark.parametrize(("mean", "kept"), [(9.7, 5), (10.3, 6), (2, 5)])
def test_black_pictures_are_left_out(hands, tmp_path, mean, kept):
    """Two parts of different brightness with that mean: near the limit a coarse look settles nothing."""
    folder, content = save_interhand_images(tmp_path, hands)
    values = np.zeros((512, 334, 3), np.uint8)
    values[: int(512 * mean / 20)] = 20
    save_picture(folder / "images" / "train" / content["data"]["images"][1]["file_name"], Image.fromarray(values))
    assert told(folder, hands) == (kept, {"dark: mean below 10": 1} if kept == 5 else {}, {})


def test_a_missing_or_damaged_picture_is_a_fault(hands, tmp_path):
    folder, content = save_interhand_images(tmp_path, hands)
    first, second = (folder / "images" / "train" / content["data"]["images"][n]["file_name"] for n in (0, 3))
    first.unlink()
    second.write_bytes(second.read_bytes()[:300])
    recording = read_recording("interhand26m", folder, hands)
    faults = {fault.reason: fault.file for fault in recording.told.faults}
    assert len(recording) == 4
    assert faults == {
        "missing file": f"images/train/{content['data']['images'][0]['file_name']}",
        "unreadable file": f"images/train/{content['data']['images'][3]['file_name']}",
    }


@pytest.mark.parametrize(
    ("change", "reason", "kept"),
    [
        (lambda c: c["data"]["images"][0].pop("width"), "missing key", 5),
        (lambda c: c["data"]["images"][0].update(file_name="../../etc/passwd"), "leads out of the folder", 5),
        (lambda c: c["data"]["images"][0].update(camera="404"), "missing key", 5),
        (lambda c: c["camera"]["13"]["focal"].update({"401": [1.0]}), "wrong length", 3),
        (lambda c: c["camera"]["13"]["campos"].update({"401": [0.1e-3, 0, 0]}), "wrong unit", 3),
        (lambda c: c["camera"]["13"]["camrot"].update({"401": [[1, 0, 0]] * 3}), "not a rotation", 3),
        (lambda c: annotation(c, 0).pop("hand_type_valid"), "missing key", 5),
    ],
)  # fmt: skip
def test_spoilt_annotations_cost_their_images_and_are_named(hands, tmp_path, change, reason, kept):
    def spoil(content):
        change(content)
        for image in content["data"]["images"]:
            image.setdefault("file_name", "")

    content = interhand_with_images(hands)
    folder, _ = save_interhand_images(tmp_path, hands, content)
    spoil(content)
    for part in ("data", "camera"):
        (folder / "annotations" / "train" / f"InterHand2.6M_train_{part}.json").write_text(json.dumps(content[part]))
    number, _, counts = told(folder, hands)
    assert number == kept
    assert reason in counts


def test_a_cut_off_file_keeps_what_came_before(hands, tmp_path):
    folder, _ = save_interhand_images(tmp_path, hands)
    path = folder / "annotations" / "train" / "InterHand2.6M_train_data.json"
    path.write_bytes(path.read_bytes()[:-300])
    number, left_out, counts = told(folder, hands)
    assert 0 < number < 6 and counts["unreadable file"] >= 1 and left_out["without an annotation"] == 6 - number


@pytest.mark.parametrize("part", ["data", "camera", "MANO_NeuralAnnot"])
def test_a_missing_annotation_file_is_one_sentence(hands, tmp_path, part):
    folder, _ = save_interhand_images(tmp_path, hands)
    (folder / "annotations" / "train" / f"InterHand2.6M_train_{part}.json").unlink()
    with pytest.raises(InputError, match=f"holds no InterHand2.6M_train_{part}"):
        read_recording("interhand26m", folder, hands)


def test_other_subsets_and_the_splits_names(hands, tmp_path):
    folder, _ = save_interhand_images(tmp_path, hands)
    for path in list((folder / "annotations" / "train").iterdir()):
        (folder / path.name.replace("train", "val")).write_bytes(path.read_bytes())
    (folder / "images" / "train").rename(folder / "images" / "val")
    assert set(read_recording("interhand26m", folder, hands, "val").splits.tolist()) == {b"validation"}
    with pytest.raises(InputError, match="subset is 'trian'; InterHand2\\.6M has train, val, test"):
        read_recording("interhand26m", folder, hands, "trian")


def test_parameters_turn_with_the_camera(hands, tmp_path):
    """The layer in the camera's frame is the layer in the world, seen by the camera: two ways to the same vertices."""
    recording = read_recording("interhand26m", save_interhand_images(tmp_path, hands)[0], hands)
    batch = next(iter(RecordedImages(recording, Batching(6, shuffle=False))))
    for number, side in enumerate(Side):
        rows = torch.from_numpy(recording.parameters[recording.moment, number])
        world = HandPose(rows[:, :3], rows[:, 3:48], rows[:, 48:58], rows[:, 58:]).pose(hands[side]).vertices
        seen = batch.hand(side).pose.pose(hands[side]).vertices
        assert (world @ batch.R.mT + batch.t[:, None] - seen).abs().max() < 2e-6

"""InterHand2.6M: poses come back as they were, and every fault of its files is named with file and key."""

import json
import math

import numpy as np
import pytest
import torch

from dataset.errors import InputError
from dataset.readers import interhand26m, json_stream
from dataset.readers.frame import Fault, Frame
from dataset.readers.source import Rules, read_source
from hands.joints import Side
from tests.dataset.readers.writers import (
    example_poses,
    in_recording,
    interhand,
    interhand_cameras,
    save_interhand,
    surfaces,
)

MANO = "InterHand2.6M_train_MANO_NeuralAnnot.json"
JOINTS = "InterHand2.6M_train_joint_3d.json"
CAMERA = "InterHand2.6M_train_camera.json"


@pytest.fixture(scope="module")
def poses(hands):
    return example_poses(hands, 3)


@pytest.fixture
def content(poses, hands) -> dict:
    """What the files hold; tests spoil it before they save it."""
    return json.loads(json.dumps(interhand(poses, hands)))


def read(folder, hands, subset="train") -> list:
    return list(interhand26m.read(folder, subset, hands))


def faults(folder, hands) -> list[tuple[str, str, str]]:
    return [(f.reason, f.file, f.key) for f in read(folder, hands) if isinstance(f, Fault)]


@pytest.mark.parametrize("layout", [".", "train", "annotations/train", "annotations/all", "all"])
def test_poses_survive_in_every_published_layout(content, poses, hands, tmp_path, layout):
    raw = read_source("interhand26m", save_interhand(tmp_path, content, layout=layout), "train", hands, Rules())
    assert raw.names == [f"interhand26m-train-13-{n}" for n in (100, 101, 102)] and not raw.faults
    assert (surfaces(raw.poses, hands) - surfaces(poses, hands)).abs().max() < 1e-6
    assert raw.poses.right.betas.allclose(poses.right.betas)
    joints = [hands[s].joints_21(raw.poses.side(s).pose(hands[s])) for s in Side]
    assert torch.cat(joints, dim=1).mean(1).abs().max() < 1e-6, "centred on the origin"


def test_hands_mean_is_added_to_the_file_s_angles(content, poses, hands, tmp_path):
    frame = read(save_interhand(tmp_path, content), hands)[0]
    stored = np.array(content["MANO_NeuralAnnot"]["13"]["100"]["left"]["pose"][3:])
    np.testing.assert_allclose(frame.hands[Side.LEFT].hand_pose, stored + hands[Side.LEFT].arrays.hands_mean)


def test_files_of_gigabytes_are_never_loaded_whole(content, hands, tmp_path, monkeypatch):
    folder = save_interhand(tmp_path, content)
    for name in ("load", "loads"):
        monkeypatch.setattr(json, name, lambda *_, **__: pytest.fail("a whole annotation file was loaded"))
    monkeypatch.setattr(json_stream, "_CHUNK", 512)
    assert len([item for item in read(folder, hands) if isinstance(item, Frame)]) == 3


@pytest.mark.parametrize("parts", [("joint_3d",), ("data",), ("joint_3d", "data")])
def test_what_the_files_say_of_the_hands_is_believed(content, hands, tmp_path, parts):
    content["joint_3d"]["13"]["101"]["hand_type"] = "right"
    for annotation in content["data"]["annotations"][2:4]:
        annotation["hand_type"] = "right"
    kept = {part: content[part] for part in ("MANO_NeuralAnnot", *parts)}
    raw = read_source("interhand26m", save_interhand(tmp_path, kept), "train", hands, Rules())
    assert raw.names == ["interhand26m-train-13-100", "interhand26m-train-13-102"]
    assert raw.left_out == {"not interacting": 1} and not raw.faults


def test_without_joints_and_images_both_hands_are_enough(content, hands, tmp_path):
    del content["joint_3d"], content["data"]
    content["MANO_NeuralAnnot"]["13"]["101"]["left"] = None
    raw = read_source("interhand26m", save_interhand(tmp_path, content), "train", hands, Rules())
    assert len(raw.names) == 2 and raw.left_out == {"not interacting": 1}


def test_missing_mano_hands_of_interacting_frames_are_faults_and_single_hands_are_not(content, hands, tmp_path):
    mano, joints = content["MANO_NeuralAnnot"]["13"], content["joint_3d"]["13"]
    mano["100"]["left"] = None
    mano["101"]["left"], joints["101"]["hand_type"] = None, "right"
    del mano["102"]["right"]
    folder = save_interhand(tmp_path, content)
    assert faults(folder, hands) == [("missing hand", MANO, "13.100.left"), ("missing hand", MANO, "13.102.right")]
    with pytest.raises(InputError, match="1 not interacting, 2 missing hand"):
        read_source("interhand26m", folder, "train", hands, Rules())


def scaled(frame: dict, factor: float) -> list:
    return [[factor * x for x in point] for point in frame["world_coord"]]


def _hand(content) -> dict:
    return content["MANO_NeuralAnnot"]["13"]["101"]["right"]


@pytest.mark.parametrize(
    ("spoil", "reason", "key"),
    [
        (lambda hand: hand["pose"].__setitem__(20, math.nan), "not a finite number", "pose"),
        (lambda hand: hand["trans"].__setitem__(0, math.inf), "not a finite number", "trans"),
        (lambda hand: hand["shape"].__setitem__(9, None), "not a finite number", "shape"),
        (lambda hand: hand["pose"].pop(), "wrong length", "pose"),
        (lambda hand: hand["shape"].append(0.0), "wrong length", "shape"),
        (lambda hand: hand.update(trans=[[1, 2], [3]]), "wrong length", "trans"),
        (lambda hand: hand.update(pose="0 0 0"), "wrong type", "pose"),
        (lambda hand: hand.update(shape={"0": 1.0}), "wrong type", "shape"),
        (lambda hand: hand["trans"].__setitem__(1, "up"), "wrong type", "trans"),
        (lambda hand: hand.update(trans=None), "wrong type", "trans"),
        (lambda hand: hand.update(trans=[1000 * x for x in hand["trans"]]), "wrong unit", "trans"),
        (lambda hand: hand.update(pose=[57.3 * x for x in hand["pose"]]), "wrong unit", "pose"),
        (lambda hand: hand.update(shape=[90.0] * 10), "implausible value", "shape"),
        (lambda hand: hand.pop("trans"), "missing key", "trans"),
        (lambda hand: hand.clear(), "missing key", "pose"),
    ],
)
def test_a_spoilt_hand_costs_its_frame_and_is_named(content, hands, tmp_path, spoil, reason, key):
    spoil(_hand(content))
    folder = save_interhand(tmp_path, content)
    assert faults(folder, hands) == [(reason, MANO, f"13.101.right.{key}")]
    raw = read_source("interhand26m", folder, "train", hands, Rules())
    assert [name[-3:] for name in raw.names] == ["100", "102"] and len(raw.faults) == 1
    with pytest.raises(InputError, match=rf"{MANO}: 13\.101\.right\.{key}: {reason}; mend it"):
        read_source("interhand26m", folder, "train", hands, Rules(refuse_faults=True))


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (lambda mano: mano.update({"13": [1, 2]}), "13"),
        (lambda mano: mano["13"].update({"101": 5}), "13.101"),
        (lambda mano: mano["13"]["101"].update(right=[0.0] * 61), "13.101.right"),
    ],
)
def test_a_wrong_type_at_any_depth_is_named(content, hands, tmp_path, spoil, key):
    spoil(content["MANO_NeuralAnnot"])
    assert faults(save_interhand(tmp_path, content), hands) == [("wrong type", MANO, key)]


def test_a_frame_that_occurs_twice_is_read_once(content, hands, tmp_path):
    folder = save_interhand(tmp_path, content)
    path = folder / "annotations" / "train" / MANO
    frame = json.dumps(content["MANO_NeuralAnnot"]["13"]["101"])
    path.write_text(path.read_text().replace('"102":', f'"101": {frame}, "102":'))
    raw = read_source("interhand26m", folder, "train", hands, Rules())
    assert len(raw.names) == 3
    assert [(f.reason, f.file, f.name) for f in raw.faults] == [("duplicate frame", MANO, "interhand26m-train-13-101")]


@pytest.mark.parametrize("part", ["MANO_NeuralAnnot", "joint_3d", "camera"])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.95])
def test_a_truncated_file_gives_what_came_before(content, hands, tmp_path, part, share):
    folder = save_interhand(tmp_path, content)
    path = folder / "annotations" / "train" / f"InterHand2.6M_train_{part}.json"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    items = read(folder, hands)
    assert [f.reason for f in items if isinstance(f, Fault)] == ["unreadable file"]
    assert items[[isinstance(f, Fault) for f in items].index(True)].file == path.name
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) == (3 if part != "MANO_NeuralAnnot" else int(share * 3))


@pytest.mark.parametrize(
    ("spoil", "reason", "key"),
    [
        (lambda frame: frame.update(world_coord=scaled(frame, 0.001)), "wrong unit", "world_coord"),
        (lambda frame: frame.update(world_coord=scaled(frame, 10)), "wrong unit", "world_coord"),
        (lambda frame: frame["world_coord"].pop(), "wrong length", "world_coord"),
        (lambda frame: frame["world_coord"][3].__setitem__(1, math.nan), "not a finite number", "world_coord"),
        (lambda frame: frame.pop("joint_valid"), "missing key", "joint_valid"),
        (lambda frame: frame.pop("hand_type"), "missing key", "hand_type"),
    ],
)
def test_spoilt_joints_cost_their_frame(content, hands, tmp_path, spoil, reason, key):
    spoil(content["joint_3d"]["13"]["102"])
    assert faults(save_interhand(tmp_path, content), hands) == [(reason, JOINTS, f"13.102.{key}")]


def test_units_of_joints_that_are_not_valid_do_not_matter(content, hands, tmp_path):
    frame = content["joint_3d"]["13"]["102"]
    frame["world_coord"][21:] = [[1.0, 1.0, 1.0]] * 21
    frame["joint_valid"][21:] = [[0]] * 21
    assert not faults(save_interhand(tmp_path, content), hands)


@pytest.mark.parametrize(
    ("spoil", "reason", "key"),
    [
        (lambda c: c.update(campos={k: [x / 1000 for x in v] for k, v in c["campos"].items()}), "wrong unit", "campos"),
        (lambda c: c["campos"].__setitem__("402", [0, 0]), "wrong length", "campos.402"),
        (lambda c: c["camrot"].__setitem__("401", [[2, 0, 0], [0, 2, 0], [0, 0, 2]]), "not a rotation", "camrot.401"),
        (lambda c: c["camrot"].pop("403"), "wrong type", "camrot.403"),
        (lambda c: c.pop("campos"), "missing key", "campos"),
        (lambda c: c.update(campos={}), "wrong length", "campos"),
    ],
)
def test_spoilt_cameras_are_named_and_the_poses_still_read(content, hands, tmp_path, spoil, reason, key):
    spoil(content["camera"]["13"])
    folder = save_interhand(tmp_path, content)
    assert faults(folder, hands) == [(reason, CAMERA, f"13.{key}")]
    assert len(read_source("interhand26m", folder, "train", hands, Rules()).names) == 3


def test_the_world_is_turned_upright_by_the_capture_s_cameras(poses, hands, tmp_path):
    """A capture whose cameras are tilted: what they see as up becomes z."""
    content = interhand(poses, hands)
    up = np.array([0.0, -0.8, 0.6])
    world = in_recording(poses, hands, up=tuple(up))
    from dataset.readers.conventions import FingerAngles
    from tests.dataset.readers.writers import stored

    for row, frame in enumerate(content["MANO_NeuralAnnot"]["13"].values()):
        frame.update({str(s): stored(world.side(s), row, hands[s], FingerAngles.MINUS_MEAN) for s in Side})
    tilt = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    cameras = interhand_cameras(turns=(0.0, 1.5, 3.0, -1.5))
    cameras["camrot"] = {name: (np.array(R) @ tilt).tolist() for name, R in cameras["camrot"].items()}
    content["camera"]["13"] = cameras
    raw = read_source("interhand26m", save_interhand(tmp_path, content), "train", hands, Rules())
    difference = surfaces(raw.poses, hands)[..., 2] - surfaces(poses, hands)[..., 2]
    assert difference.abs().max() < 1e-5, "heights are as they were"


def test_betas_that_vary_per_frame_become_one_shape_per_capture(content, hands, tmp_path):
    frames = content["MANO_NeuralAnnot"]["13"]
    for number, frame in enumerate(frames.values()):
        frame["right"]["shape"] = [number - 1.0] + [0.0] * 9
    raw = read_source("interhand26m", save_interhand(tmp_path, content), "train", hands, Rules())
    assert raw.poses.right.betas.abs().max() < 1e-6


def test_missing_files_and_subsets_are_one_sentence(content, hands, tmp_path):
    with pytest.raises(InputError, match=r"holds no InterHand2\.6M_train_MANO_NeuralAnnot\.json"):
        read(tmp_path, hands)
    folder = save_interhand(tmp_path, content)
    with pytest.raises(InputError, match=r"InterHand2\.6M_val_MANO"):
        read(folder, hands, "val")
    with pytest.raises(InputError, match=r"source\.subset is 'training'"):
        read(folder, hands, "training")


def test_only_what_is_read_counts_as_content(content, tmp_path):
    folder = save_interhand(tmp_path, content)
    assert set(interhand26m.files(folder, "train")) == {"MANO_NeuralAnnot", "camera", "joint_3d"}
    (folder / "annotations" / "train" / JOINTS).unlink()
    assert set(interhand26m.files(folder, "train")) == {"MANO_NeuralAnnot", "camera", "data"}


@pytest.mark.parametrize(
    ("spoil", "reason", "key"),
    [
        (lambda data: data["images"][1].pop("capture"), "missing key", "images.capture"),
        (lambda data: data["images"][1].update(id="7"), "wrong type", "images.id"),
        (lambda data: data["images"].append(5), "wrong type", "images"),
        (lambda data: data["annotations"][0].pop("hand_type"), "missing key", "annotations.hand_type"),
        (lambda data: data["annotations"][0].pop("image_id"), "missing key", "annotations.image_id"),
    ],
)
def test_a_spoilt_image_list_is_one_fault_and_the_poses_still_read(content, hands, tmp_path, spoil, reason, key):
    del content["joint_3d"]
    spoil(content["data"])
    folder = save_interhand(tmp_path, content)
    assert faults(folder, hands) == [(reason, "InterHand2.6M_train_data.json", key)]
    assert len(read_source("interhand26m", folder, "train", hands, Rules()).names) == 3


def test_annotations_of_unknown_images_are_passed_over(content, hands, tmp_path):
    del content["joint_3d"]
    content["data"]["annotations"] += [{"id": 99, "image_id": 10**9, "hand_type": "left"}]
    content["data"]["annotations"] += [{"id": 98, "image_id": 1, "hand_type": "left"}]
    raw = read_source("interhand26m", save_interhand(tmp_path, content), "train", hands, Rules())
    assert len(raw.names) == 3 and not raw.faults
